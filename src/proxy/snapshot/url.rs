//! The URLs of `proxy_pass` and `grpc_pass`.

/// The parts of `http://host:port/uri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url<'u> {
    /// `https://` or `grpcs://`
    pub tls: bool,
    /// `host` or `host:port` or `unix:/path`, as written.
    pub authority: &'u str,
    pub port: Option<&'u str>,
    /// Begins with `/` or `?`; nothing if there is none.
    pub uri: Option<&'u str>,
}

impl<'u> Url<'u> {
    pub fn parse(text: &'u str) -> Result<Url<'u>, &'static str> {
        match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => Self::parse_rest(rest, false),
            (_, Some(rest)) => Self::parse_rest(rest, true),
            (None, None) => Err("the URL must begin with `http://` or `https://`"),
        }
    }

    /// That of either directive.
    pub fn parse_for(grpc: bool, text: &'u str) -> Result<Url<'u>, &'static str> {
        if grpc { Self::parse_grpc(text) } else { Self::parse(text) }
    }

    /// A URL of `grpc_pass`, whose scheme may be missing.
    pub fn parse_grpc(text: &'u str) -> Result<Url<'u>, &'static str> {
        let url = match (text.strip_prefix("grpc://"), text.strip_prefix("grpcs://")) {
            (Some(rest), _) => Self::parse_rest(rest, false),
            (_, Some(rest)) => Self::parse_rest(rest, true),
            (None, None) if text.contains("://") => Err("the URL must begin with `grpc://` or `grpcs://`"),
            (None, None) => Self::parse_rest(text, false),
        }?;
        match url.uri {
            Some(_) => Err("the URL can have no URI part: the method is the client's"),
            None => Ok(url),
        }
    }

    fn parse_rest(rest: &'u str, tls: bool) -> Result<Url<'u>, &'static str> {
        if let Some(unix) = rest.strip_prefix("unix:") {
            let (path, uri) = match unix.split_once(':') {
                Some((path, uri)) => (path, Some(uri).filter(|u| !u.is_empty())),
                None => (unix, None),
            };
            let authority = &rest[..path.len() + "unix:".len()];
            return Ok(Url { tls, authority, port: None, uri });
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, uri) = rest.split_at(end);
        if authority.is_empty() {
            return Err("the URL names no host");
        }
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let port = colon.map(|at| &authority[at + 1..]);
        if port.is_some_and(|p| p.parse::<u16>().is_err()) {
            return Err("the port of the URL is not a number from 0 to 65535");
        }
        Ok(Url { tls, authority, port, uri: Some(uri).filter(|u| !u.is_empty()) })
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    fn is_unix(&self) -> bool {
        self.authority.starts_with("unix:")
    }

    fn default_port(&self) -> &'static str {
        if self.tls { "443" } else { "80" }
    }

    /// The server that is meant if no upstream has this name; it says its port wherever that is not 80.
    pub fn address(&self) -> String {
        match self.port {
            None if self.tls && !self.is_unix() => format!("{}:443", self.authority),
            _ => self.authority.to_owned(),
        }
    }

    /// `$proxy_host`: a port that goes without saying is not said.
    pub fn host(&self) -> &'u str {
        match self.port {
            _ if self.is_unix() => "localhost",
            Some(port) if port == self.default_port() => &self.authority[..self.authority.len() - port.len() - 1],
            _ => self.authority,
        }
    }

    /// `$proxy_port`
    pub fn port(&self) -> &'u str {
        match self.port {
            _ if self.is_unix() => "",
            Some(port) => port,
            None => self.default_port(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_as_nginx_splits_it() {
        let parse = |text| Url::parse(text).map(|u| (u.authority, u.port, u.uri));
        assert_eq!(parse("http://web_server"), Ok(("web_server", None, None)));
        assert_eq!(parse("http://a:8080/x?y"), Ok(("a:8080", Some("8080"), Some("/x?y"))));
        assert_eq!(parse("http://[::1]:81/"), Ok(("[::1]:81", Some("81"), Some("/"))));
        assert_eq!(parse("http://[::1]"), Ok(("[::1]", None, None)));
        assert_eq!(parse("http://unix:/run/a.sock:/x"), Ok(("unix:/run/a.sock", None, Some("/x"))));
        assert_eq!(parse("https://a/x"), Ok(("a", None, Some("/x"))));
        for wrong in ["web", "http://", "https://", "http://a:b", "ftp://a", "grpc://a"] {
            assert!(Url::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_port_that_goes_without_saying_is_not_said() {
        let told = |text| Url::parse(text).map(|u| (u.host(), u.port(), u.address())).unwrap();
        assert_eq!(told("http://a"), ("a", "80", "a".into()));
        assert_eq!(told("http://a:80"), ("a", "80", "a:80".into()));
        assert_eq!(told("http://a:443"), ("a:443", "443", "a:443".into()));
        assert_eq!(told("https://a"), ("a", "443", "a:443".into()));
        assert_eq!(told("https://a:443"), ("a", "443", "a:443".into()));
        assert_eq!(told("https://[::1]:8443"), ("[::1]:8443", "8443", "[::1]:8443".into()));
        assert_eq!(told("http://unix:/run/a.sock"), ("localhost", "", "unix:/run/a.sock".into()));
    }

    #[test]
    fn a_grpc_url_has_its_own_schemes_or_none_and_no_uri() {
        let parse = |text| Url::parse_grpc(text).map(|u| (u.tls, u.authority));
        assert_eq!(parse("grpc://a:50051"), Ok((false, "a:50051")));
        assert_eq!(parse("grpcs://a"), Ok((true, "a")));
        assert_eq!(parse("a:50051"), Ok((false, "a:50051")));
        assert_eq!(parse("unix:/run/a.sock"), Ok((false, "unix:/run/a.sock")));
        for wrong in ["http://a", "grpc://a/x", "grpc://", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
