//! The module as Pingora drives it: header, pieces of body, then an end of one kind or another.

use std::io::Read;

use pingora_core::modules::http::{HttpModuleCtx, HttpModules};
use pingora_http::RequestHeader;

use super::*;
use crate::compress::settings::Types;

type Pairs = &'static [(&'static str, &'static str)];

const HTML: Pairs = &[("Content-Type", "text/html")];
const EVENTS: Pairs = &[("Content-Type", "text/event-stream; charset=utf-8")];

fn gzip() -> Settings {
    let mut settings = Settings::default();
    settings.gzip.on = true;
    settings
}

/// The modules of one request that takes gzip, armed.
fn armed(settings: Settings, method: &str) -> HttpModuleCtx {
    let mut request = RequestHeader::build(method, b"/", None).unwrap();
    request.insert_header("Accept-Encoding", "gzip").unwrap();
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(CompressionBuilder));
    let mut ctx = modules.build_ctx();
    ctx.get_mut::<Compression>().unwrap().arm(Arc::new(settings), RequestFacts::of(&request));
    ctx
}

async fn head(ctx: &mut HttpModuleCtx, status: u16, fields: Pairs, is_end: bool) -> ResponseHeader {
    let mut response = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        response.append_header(*name, *value).unwrap();
    }
    ctx.response_header_filter(&mut response, is_end).await.unwrap();
    response
}

/// One piece through the body filter.
fn piece(ctx: &mut HttpModuleCtx, bytes: &[u8], is_end: bool) -> Result<Vec<u8>> {
    let mut body = Some(Bytes::copy_from_slice(bytes));
    ctx.response_body_filter(&mut body, is_end)?;
    if !is_end {
        assert_ne!(body, Some(Bytes::new()), "an empty chunk would end a chunked body");
    }
    Ok(body.unwrap_or_default().to_vec())
}

fn gunzip(coded: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(coded).read_to_end(&mut plain)?;
    Ok(plain)
}

fn is_gzipped(response: &ResponseHeader) -> bool {
    response.headers.get("content-encoding").is_some_and(|coding| coding == "gzip")
}

#[tokio::test]
async fn a_body_is_compressed_to_its_end() {
    let mut ctx = armed(gzip(), "GET");
    assert!(is_gzipped(&head(&mut ctx, 200, HTML, false).await));
    let mut coded = piece(&mut ctx, &[b'a'; 5000], false).unwrap();
    coded.extend(piece(&mut ctx, &[b'b'; 5000], true).unwrap());
    assert_eq!(gunzip(&coded).unwrap(), [[b'a'; 5000], [b'b'; 5000]].concat());
    let totals = Totals { input: 10_000, output: coded.len() as u64 };
    assert_eq!(ctx.get::<Compression>().unwrap().totals(), Some(totals));
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn a_request_nobody_armed_passes_untouched() {
    let mut ctx = armed(gzip(), "GET");
    ctx.get_mut::<Compression>().unwrap().disarm();
    assert!(!is_gzipped(&head(&mut ctx, 200, HTML, false).await));
    assert_eq!(piece(&mut ctx, b"plain", true).unwrap(), b"plain");
    assert_eq!(ctx.get::<Compression>().unwrap().totals(), None);
}

#[tokio::test]
async fn a_body_that_breaks_off_has_no_end() {
    let mut ctx = armed(gzip(), "GET");
    ctx.get_mut::<Compression>().unwrap().set_unbuffered(true);
    head(&mut ctx, 200, HTML, false).await;
    let coded = piece(&mut ctx, &[b'a'; 5000], false).unwrap();
    drop(ctx);
    assert_eq!(gunzip(&coded).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn an_end_short_of_the_content_length_is_an_error_and_stays_one() {
    let mut ctx = armed(gzip(), "GET");
    head(&mut ctx, 200, &[("Content-Type", "text/html"), ("Content-Length", "5000")], false).await;
    piece(&mut ctx, &[b'a'; 4999], false).unwrap();
    assert!(piece(&mut ctx, b"", true).is_err());
    assert!(piece(&mut ctx, b"more", false).is_err());
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn bytes_behind_the_end_are_an_error() {
    let mut ctx = armed(gzip(), "GET");
    head(&mut ctx, 200, HTML, false).await;
    piece(&mut ctx, b"all", true).unwrap();
    assert_eq!(piece(&mut ctx, b"", true).unwrap(), b"");
    assert!(piece(&mut ctx, b"more", true).is_err());
}

#[tokio::test]
async fn the_end_may_come_as_done_or_as_trailers() {
    for has_trailers in [false, true] {
        let mut ctx = armed(gzip(), "GET");
        head(&mut ctx, 200, HTML, false).await;
        let mut coded = piece(&mut ctx, b"some", false).unwrap();
        if has_trailers {
            coded.extend(ctx.response_trailer_filter(&mut Some(Box::default())).unwrap().unwrap());
        }
        coded.extend(ctx.response_done_filter().unwrap().unwrap_or_default());
        assert_eq!(gunzip(&coded).unwrap(), b"some");
    }
}

#[tokio::test]
async fn trailers_and_done_of_a_plain_answer_stay_as_they_are() {
    let mut ctx = armed(gzip(), "GET");
    head(&mut ctx, 200, &[("Content-Type", "image/png")], false).await;
    assert_eq!(ctx.response_trailer_filter(&mut Some(Box::default())).unwrap(), None);
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn pieces_of_an_event_stream_leave_as_they_come() {
    let mut settings = gzip();
    settings.gzip.types = Types::new(["text/event-stream"]);
    let mut ctx = armed(settings, "GET");
    assert!(is_gzipped(&head(&mut ctx, 200, EVENTS, false).await));
    let mut coded = Vec::new();
    for i in 1..=3 {
        coded.extend(piece(&mut ctx, b"data: x\n\n", false).unwrap());
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&coded[..]).read_to_end(&mut plain).unwrap_err();
        assert_eq!(plain, b"data: x\n\n".repeat(i));
    }
}

#[tokio::test]
async fn a_buffered_answer_is_collected() {
    let mut ctx = armed(gzip(), "GET");
    head(&mut ctx, 200, HTML, false).await;
    assert_eq!(piece(&mut ctx, b"little", false).unwrap(), b"");
}

#[tokio::test]
async fn the_answer_to_head_has_the_header_of_the_compressed_one() {
    let mut ctx = armed(gzip(), "HEAD");
    let response = head(&mut ctx, 200, &[("Content-Type", "text/html"), ("Content-Length", "1000")], true).await;
    assert!(is_gzipped(&response));
    assert!(response.headers.get("content-length").is_none());
    assert!(response.headers.get("transfer-encoding").is_none());
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn an_answer_without_a_body_is_not_compressed() {
    let mut ctx = armed(gzip(), "GET");
    assert!(!is_gzipped(&head(&mut ctx, 200, HTML, true).await));
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn early_hints_do_not_use_up_the_decision() {
    let mut ctx = armed(gzip(), "GET");
    assert!(!is_gzipped(&head(&mut ctx, 103, HTML, false).await));
    assert!(is_gzipped(&head(&mut ctx, 200, HTML, false).await));
}

#[tokio::test]
async fn an_upgraded_connection_passes_untouched() {
    let mut ctx = armed(gzip(), "GET");
    head(&mut ctx, 101, &[], false).await;
    assert_eq!(piece(&mut ctx, b"\x81\x00", false).unwrap(), b"\x81\x00");
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn arming_again_replaces_the_settings() {
    let mut ctx = armed(gzip(), "GET");
    let request = RequestHeader::build("GET", b"/", None).unwrap();
    ctx.get_mut::<Compression>().unwrap().arm(Arc::new(gzip()), RequestFacts::of(&request));
    assert!(!is_gzipped(&head(&mut ctx, 200, HTML, false).await));
}

/// Filters that hold something back until the end.
fn replacing(ctx: &mut HttpModuleCtx) {
    use crate::filter::{Chain, Substitute, Substitution};
    let pair = Substitution { from: b"abc".to_vec(), to: b"x".to_vec() };
    let chain = Chain::new(vec![Box::new(Substitute::new([pair], false))], None, &std::env::temp_dir());
    ctx.get_mut::<Compression>().unwrap().set_filters(chain);
}

#[tokio::test]
async fn what_filters_hold_back_is_compressed_with_the_end_wherever_that_is_told() {
    for is_told_by_done in [false, true] {
        let mut ctx = armed(gzip(), "GET");
        replacing(&mut ctx);
        head(&mut ctx, 200, HTML, false).await;
        let mut coded = piece(&mut ctx, b"0123456789 abc 0123456789 ab", false).unwrap();
        coded.extend(piece(&mut ctx, b"", !is_told_by_done).unwrap());
        coded.extend(ctx.response_done_filter().unwrap().unwrap_or_default());
        assert_eq!(gunzip(&coded).unwrap(), b"0123456789 x 0123456789 ab");
    }
}

#[tokio::test]
async fn filters_work_where_nothing_is_compressed() {
    let mut ctx = armed(Settings::default(), "GET");
    replacing(&mut ctx);
    head(&mut ctx, 200, HTML, false).await;
    assert_eq!(piece(&mut ctx, b"abcab", false).unwrap(), b"x");
    assert_eq!(piece(&mut ctx, b"", false).unwrap(), b"");
    assert_eq!(ctx.response_done_filter().unwrap(), Some(Bytes::from_static(b"ab")));
    assert_eq!(ctx.response_done_filter().unwrap(), None);
}

#[tokio::test]
async fn a_request_that_is_armed_anew_has_no_filters_of_before() {
    let mut ctx = armed(Settings::default(), "GET");
    replacing(&mut ctx);
    let facts = RequestFacts::of(&RequestHeader::build("GET", b"/", None).unwrap());
    ctx.get_mut::<Compression>().unwrap().arm(Arc::new(gzip()), facts);
    head(&mut ctx, 200, HTML, false).await;
    assert_eq!(piece(&mut ctx, b"abc", true).unwrap(), b"abc");
}
