//! Handshakes with rustls as the client, over loopback, with certificates of an authority of our own.
//!
//! `fixtures/` holds what rcgen cannot make: RSA keys, keys in old forms, a certificate of version 1, one with a strange
//! name; made by openssl, valid until 2126, known to the whole world.

mod certificates;
mod clients;
mod handshakes;
mod lists;
mod mistakes;
mod resumption;

use std::sync::Arc;

use pingora_core::protocols::l4::stream::Stream;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        $crate::tls::Pem { path: $name.to_owned(), bytes: include_bytes!(concat!("fixtures/", $name)).to_vec() }
    };
}
use fixture;

type ClientStream = tokio_rustls::client::TlsStream<TcpStream>;
type Authority = CertifiedIssuer<'static, KeyPair>;

fn pem(path: &str, text: impl Into<Vec<u8>>) -> Pem {
    Pem { path: path.to_owned(), bytes: text.into() }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.replace(' ', "-")]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn authority(name: &str) -> Authority {
    Authority::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn below(name: &str, issuer: &Authority) -> Authority {
    Authority::signed_by(authority_params(name), KeyPair::generate().unwrap(), issuer).unwrap()
}

fn issue(params: &CertificateParams, issuer: &Authority) -> Pair {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Pair { certificate: pem("leaf.crt", certificate.pem()), key: pem("leaf.key", key.serialize_pem()) }
}

/// A self-signed pair on P-256.
fn pair(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let certificate = params(name).self_signed(&key).unwrap();
    Pair { certificate: pem("server.crt", certificate.pem()), key: pem("server.key", key.serialize_pem()) }
}

fn rsa_pair() -> Pair {
    Pair { certificate: fixture!("rsa.crt"), key: fixture!("rsa.pkcs8.key") }
}

fn settings(pair: Pair) -> Settings {
    Settings { pairs: vec![pair], ..Settings::default() }
}

fn server(settings: &Settings) -> Arc<Server> {
    let mut mistakes = Vec::new();
    let server = Server::compile(settings, &mut mistakes);
    assert_eq!(mistakes, []);
    Arc::new(server.unwrap())
}

/// Takes every certificate: what is tested is the server.
#[derive(Debug)]
struct Trusting;

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// A client, with a certificate if it has one.
fn client(versions: &[&'static SupportedProtocolVersion], identity: Option<&Pair>) -> ClientConfig {
    let builder =
        ClientConfig::builder_with_provider(default_provider().into()).with_protocol_versions(versions).unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Trusting));
    let Some(pair) = identity else {
        return builder.with_no_client_auth();
    };
    // Not by rustls's own way, which refuses what a client must not be able to send.
    builder.with_client_cert_resolver(Arc::new(identity_of(pair)))
}

fn identity_of(pair: &Pair) -> SingleCertAndKey {
    let chain = CertificateDer::pem_slice_iter(&pair.certificate.bytes).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&pair.key.bytes).unwrap();
    CertifiedKey::new(chain, any_supported_type(&key).unwrap()).into()
}

/// Both ends of a connection over loopback.
async fn connection() -> (TcpStream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), Stream::from(server.unwrap().0))
}

type Met = (Result<Accepted, Rejected>, std::io::Result<ClientStream>);

async fn meet(client: &Arc<ClientConfig>, name: &str, choose: impl FnOnce(Option<&str>) -> Option<Arc<Server>>) -> Met {
    let (near, far) = connection().await;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(client.clone());
    tokio::join!(accept(far, choose), connector.connect(name, near))
}

/// A whole connection: the server greets, so that the client reads its tickets; then both say goodbye.
async fn visit(client: &Arc<ClientConfig>, name: &str, server: &Arc<Server>) -> (Arc<Session>, ClientStream) {
    let server = server.clone();
    let (accepted, connected) = meet(client, name, |_| Some(server)).await;
    let (Accepted { mut stream, session }, mut connected) = (accepted.unwrap(), connected.unwrap());
    stream.write_all(b"hello").await.unwrap();
    AsyncWriteExt::shutdown(&mut stream).await.unwrap();
    let mut said = Vec::new();
    connected.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"hello");
    (session, connected)
}
