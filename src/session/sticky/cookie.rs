//! The cookie that binds a client to a server, written as nginx writes it.

use crate::variables::{Exchange, Template, http_date};
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub struct Cookie {
    pub name: String,
    /// Without it the cookie ends with the browser.
    pub expires: Option<Expires>,
    pub domain: Option<Template>,
    pub path: Option<String>,
    pub secure: bool,
    pub httponly: bool,
    /// A text without variables is one of [`SAME_SITE`].
    pub samesite: Option<Template>,
}

/// `expires`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// In 2037, as far away as nginx goes.
    Max,
    After(Duration),
}

/// What `samesite` may be, in any case of letters.
pub const SAME_SITE: [&str; 3] = ["strict", "lax", "none"];

/// Whether a browser would know this value of `SameSite`.
pub fn is_same_site(value: &[u8]) -> bool {
    SAME_SITE.iter().any(|known| value.eq_ignore_ascii_case(known.as_bytes()))
}

impl Cookie {
    /// nginx sets it with each answer. That tells a client that has it nothing unless the time in it begins anew, and what is
    /// stored for several clients should not have it.
    pub fn is_due(&self, exchange: &Exchange, server: &str) -> bool {
        self.expires.is_some() || exchange.cookie(&self.name) != Some(server.as_bytes())
    }

    pub fn line(&self, exchange: &Exchange, server: &str, now: SystemTime) -> Vec<u8> {
        let mut line = format!("{}={server}", self.name).into_bytes();
        match self.expires {
            None => {}
            Some(Expires::Max) => line.extend_from_slice(b"; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000"),
            Some(Expires::After(time)) => {
                let at = date(now + time);
                line.extend_from_slice(format!("; expires={at}; max-age={}", time.as_secs()).as_bytes());
            }
        }
        let domain = self.domain.as_ref().map(|domain| domain.evaluate(exchange));
        if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
            line.extend_from_slice(b"; domain=");
            line.extend_from_slice(&domain);
        }
        if self.httponly {
            line.extend_from_slice(b"; httponly");
        }
        if self.secure {
            line.extend_from_slice(b"; secure");
        }
        let samesite = self.samesite.as_ref().map(|samesite| samesite.evaluate(exchange));
        if let Some(samesite) = samesite.filter(|samesite| !samesite.is_empty()) {
            line.extend_from_slice(b"; samesite=");
            line.extend_from_slice(if is_same_site(&samesite) { &samesite } else { b"strict" });
        }
        if let Some(path) = &self.path {
            line.extend_from_slice(b"; path=");
            line.extend_from_slice(path.as_bytes());
        }
        line
    }
}

/// `Thu, 18-Nov-10 11:27:35 GMT`; beyond 2037 the year has four digits.
fn date(at: SystemTime) -> String {
    let text = http_date(at);
    let words: Vec<&str> = text.split(' ').collect();
    let [weekday, day, month, year, time, zone] = words.as_slice() else { return text };
    let year = if *year > "2037" { year } else { year.get(2..).unwrap_or(year) };
    format!("{weekday} {day}-{month}-{year} {time} {zone}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Defined;
    use crate::variables::tests::exchange;
    use std::time::UNIX_EPOCH;

    fn cookie() -> Cookie {
        Cookie {
            name: "srv_id".into(),
            expires: None,
            domain: None,
            path: None,
            secure: false,
            httponly: false,
            samesite: None,
        }
    }

    fn line(cookie: &Cookie, now: SystemTime) -> String {
        String::from_utf8(cookie.line(&exchange(), "t1", now)).unwrap()
    }

    fn text(text: &str) -> Option<Template> {
        Some(Template::compile(text, &Defined::default()).unwrap())
    }

    #[test]
    fn the_cookie_is_written_as_nginx_writes_it() {
        assert_eq!(line(&cookie(), UNIX_EPOCH), "srv_id=t1");
        let full = Cookie {
            expires: Some(Expires::After(Duration::from_secs(3600))),
            domain: text(".example.com"),
            path: Some("/shop".into()),
            secure: true,
            httponly: true,
            samesite: text("Lax"),
            ..cookie()
        };
        assert_eq!(
            line(&full, UNIX_EPOCH + Duration::from_secs(1_290_079_655)),
            "srv_id=t1; expires=Thu, 18-Nov-10 12:27:35 GMT; max-age=3600; domain=.example.com; httponly; secure; \
             samesite=Lax; path=/shop"
        );
        let max = Cookie { expires: Some(Expires::Max), ..cookie() };
        assert_eq!(line(&max, UNIX_EPOCH), "srv_id=t1; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000");
    }

    #[test]
    fn beyond_2037_the_year_has_four_digits() {
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(2_145_916_555)), "Thu, 31-Dec-37 23:55:55 GMT");
        assert_eq!(date(UNIX_EPOCH + Duration::from_secs(2_145_916_800)), "Fri, 01-Jan-2038 00:00:00 GMT");
    }

    #[test]
    fn a_same_site_that_no_browser_knows_becomes_strict_and_an_empty_one_nothing() {
        let wrong = Cookie { samesite: text("$http_nothing$request_method"), ..cookie() };
        assert_eq!(line(&wrong, UNIX_EPOCH), "srv_id=t1; samesite=strict");
        let empty = Cookie { samesite: text("$http_nothing"), domain: text("$http_nothing"), ..cookie() };
        assert_eq!(line(&empty, UNIX_EPOCH), "srv_id=t1");
    }
}
