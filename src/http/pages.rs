//! The pages edge answers errors and redirects with when the configuration names none: nginx's, with edge's name.

use super::status::reason;

/// What `Server` and the pages say, with `server_tokens on`.
pub const SERVER_WITH_VERSION: &str = concat!("edge/", env!("CARGO_PKG_VERSION"));
/// What they say with `server_tokens off`.
pub const SERVER: &str = "edge";

/// Statuses that edge uses inside to say more than the client is told (nginx's 494 to 497 and 499).
pub mod internal {
    /// A header field or all of them are too large; the client is told 400.
    pub const HEADER_TOO_LARGE: u16 = 494;
    /// A client certificate did not verify; the client is told 400.
    pub const BAD_CERTIFICATE: u16 = 495;
    /// No client certificate was sent; the client is told 400.
    pub const NO_CERTIFICATE: u16 = 496;
    /// A plain HTTP request came to a TLS port; the client is told 400.
    pub const HTTP_TO_HTTPS: u16 = 497;
    /// The client closed the connection before the answer; seen in logs only.
    pub const CLIENT_CLOSED: u16 = 499;
}

/// The status a client is told: nginx answers 494 to 497 with 400.
pub fn told(status: u16) -> u16 {
    match status {
        internal::HEADER_TOO_LARGE..=internal::HTTP_TO_HTTPS => 400,
        other => other,
    }
}

/// The page for a status, or `None` where nginx sends an empty body.
pub fn page(status: u16, server: &str) -> Option<String> {
    let (title, heading, note) = match status {
        internal::HEADER_TOO_LARGE => {
            ("400 Request Header Or Cookie Too Large", "400 Bad Request", "Request Header Or Cookie Too Large")
        }
        internal::BAD_CERTIFICATE => ("400 The SSL certificate error", "400 Bad Request", "The SSL certificate error"),
        internal::NO_CERTIFICATE => {
            ("400 No required SSL certificate was sent", "400 Bad Request", "No required SSL certificate was sent")
        }
        internal::HTTP_TO_HTTPS => (
            "400 The plain HTTP request was sent to HTTPS port",
            "400 Bad Request",
            "The plain HTTP request was sent to HTTPS port",
        ),
        301..=303 | 307 | 308 | 400..=406 | 408..=416 | 421 | 429 | 500..=505 | 507 => {
            // The pages say two things in other words than the status line does.
            let words = match status {
                302 => "Found",
                401 => "Authorization Required",
                status => reason(status),
            };
            let line = format!("{status} {words}");
            return Some(html(&line, &line, None, server));
        }
        _ => return None,
    };
    Some(html(title, heading, Some(note), server))
}

fn html(title: &str, heading: &str, note: Option<&str>, server: &str) -> String {
    let note = note.map(|n| format!("<center>{n}</center>\r\n")).unwrap_or_default();
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{note}\
         <hr><center>{server}</center>\r\n</body>\r\n</html>\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_reads_as_nginx_writes_it() {
        assert_eq!(
            page(404, "edge").unwrap(),
            "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n\
             <hr><center>edge</center>\r\n</body>\r\n</html>\r\n"
        );
        assert!(page(494, "edge").unwrap().contains("Request Header Or Cookie Too Large"));
        assert_eq!(page(418, "edge"), None);
    }
}
