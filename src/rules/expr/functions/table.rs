//! The functions there are: what they take, what they yield, and one line of documentation each.

use super::super::time::Part;
use super::super::types::Kind;
use super::Function;

/// What an argument may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Shape {
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Duration,
    Timestamp,
    List,
    /// A list of texts.
    Texts,
    Map,
}

impl Shape {
    pub fn takes(self, kind: &Kind) -> bool {
        matches!(
            (self, kind),
            (Shape::Any, _)
                | (_, Kind::Dyn)
                | (Shape::Bool, Kind::Bool)
                | (Shape::Int, Kind::Int)
                | (Shape::Uint, Kind::Uint)
                | (Shape::Double, Kind::Double)
                | (Shape::Text, Kind::Text)
                | (Shape::Bytes, Kind::Bytes)
                | (Shape::Duration, Kind::Duration)
                | (Shape::Timestamp, Kind::Timestamp)
                | (Shape::List, Kind::List(_))
                | (Shape::Map, Kind::Map(..))
        ) || matches!((self, kind), (Shape::Texts, Kind::List(of)) if matches!(**of, Kind::Text | Kind::Dyn))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Shape::Any => "anything",
            Shape::Bool => "bool",
            Shape::Int => "int",
            Shape::Uint => "uint",
            Shape::Double => "double",
            Shape::Text => "string",
            Shape::Bytes => "bytes",
            Shape::Duration => "duration",
            Shape::Timestamp => "timestamp",
            Shape::List => "list",
            Shape::Texts => "list(string)",
            Shape::Map => "map",
        }
    }
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// `f(x)`
    Plain,
    /// `x.f()`
    Method,
    /// Either.
    Both,
}

/// What becomes of a call.
#[derive(Clone, Debug)]
pub(in super::super) enum Make {
    Plain(Function),
    Part(Part),
    Matches,
    Extract,
    Cidr,
    TimeBetween,
    Jwt,
}

/// A function as the check and the documentation know it.
pub struct Signature {
    pub name: &'static str,
    pub(in super::super) form: Form,
    /// What each argument may be; for a method, the first is what it is called on.
    pub(in super::super) takes: &'static [&'static [Shape]],
    /// How many of them have to be there.
    pub(in super::super) least: usize,
    pub(in super::super) yields: fn() -> Kind,
    pub(in super::super) make: Make,
    /// How it is written.
    pub written: &'static str,
    pub doc: &'static str,
}

impl Signature {
    /// The type of what it yields.
    pub fn kind(&self) -> Kind {
        (self.yields)()
    }
}

use Form::{Both, Method, Plain};
use Shape::{Any, Bytes, Double, Duration, Int, List, Map, Text, Texts, Timestamp, Uint};

type Takes = &'static [&'static [Shape]];

// One row of the table.
#[allow(clippy::too_many_arguments)]
const fn function(
    name: &'static str,
    form: Form,
    takes: Takes,
    least: usize,
    yields: fn() -> Kind,
    make: Make,
    written: &'static str,
    doc: &'static str,
) -> Signature {
    Signature { name, form, takes, least, yields, make, written, doc }
}

fn bool() -> Kind {
    Kind::Bool
}

fn int() -> Kind {
    Kind::Int
}

fn text() -> Kind {
    Kind::Text
}

const ONE_TEXT: Takes = &[&[Text]];
const TWO_TEXTS: Takes = &[&[Text], &[Text]];
const DATE: Takes = &[&[Timestamp], &[Text]];
const TIME: Takes = &[&[Timestamp, Duration], &[Text]];
const CODED: Takes = &[&[Text, Bytes]];

use Function as F;

/// Every function; the macros (`has`, `all`, `exists`, `exists_one`, `map`, `filter`) are read with the language itself.
#[rustfmt::skip]
pub const TABLE: &[Signature] = &[
    function("size", Both, &[&[Text, Bytes, List, Map]], 1, int, Make::Plain(F::Size), "size(x), x.size()", "How many characters, bytes, elements or keys."),
    function("contains", Method, TWO_TEXTS, 2, bool, Make::Plain(F::Contains), "text.contains(part)", "Whether a text has the other in it."),
    function("startsWith", Method, TWO_TEXTS, 2, bool, Make::Plain(F::StartsWith), "text.startsWith(part)", "Whether a text begins with the other."),
    function("endsWith", Method, TWO_TEXTS, 2, bool, Make::Plain(F::EndsWith), "text.endsWith(part)", "Whether a text ends with the other."),
    function("matches", Both, TWO_TEXTS, 2, bool, Make::Matches, "text.matches('regex')", "Whether a regular expression (PCRE's language, as in nginx.conf) is found in a text. It is compiled when the rule is loaded, so it stands there as it is."),
    function("extract", Method, &[&[Text], &[Text], &[Int, Text]], 2, text, Make::Extract, "text.extract('regex'), text.extract('regex', group)", "What a regular expression takes: its group of that number or name; else its first group, or all if it has none; '' if it is not found."),
    function("below", Plain, &[&[Text], &[Text, Texts]], 2, bool, Make::Plain(F::Below), "below(request.path, '/admin'), below(request.path, [a, b])", "Whether a path is another or lies below it, or one of several: `/admin` and `/admin/users` are, `/administrators` is not. What `;parameters` and dots behind them hide from a proxy and not from a servlet container counts, too."),
    function("lowerAscii", Method, ONE_TEXT, 1, text, Make::Plain(F::LowerAscii), "text.lowerAscii()", "A to Z become a to z."),
    function("upperAscii", Method, ONE_TEXT, 1, text, Make::Plain(F::UpperAscii), "text.upperAscii()", "a to z become A to Z."),
    function("trim", Method, ONE_TEXT, 1, text, Make::Plain(F::Trim), "text.trim()", "Without white space at both ends."),
    function("split", Method, &[&[Text], &[Text], &[Int]], 2, || Kind::list(Kind::Text), Make::Plain(F::Split), "text.split(','), text.split(',', most)", "The pieces between a separator; the last of `most` is the rest."),
    function("join", Method, &[&[Texts], &[Text]], 1, text, Make::Plain(F::Join), "texts.join(), texts.join(', ')", "All in one text."),
    function("replace", Method, &[&[Text], &[Text], &[Text]], 3, text, Make::Plain(F::Replace), "text.replace(from, to)", "With every `from` replaced."),
    function("substring", Method, &[&[Text], &[Int], &[Int]], 2, text, Make::Plain(F::Substring), "text.substring(from), text.substring(from, to)", "The characters from one place up to another, counted from 0."),
    function("charAt", Method, &[&[Text], &[Int]], 2, text, Make::Plain(F::CharAt), "text.charAt(place)", "One character."),
    function("indexOf", Method, &[&[Text], &[Text], &[Int]], 2, int, Make::Plain(F::IndexOf), "text.indexOf(part), text.indexOf(part, from)", "Where a part begins; -1 if it is not there."),
    function("lastIndexOf", Method, TWO_TEXTS, 2, int, Make::Plain(F::LastIndexOf), "text.lastIndexOf(part)", "Where the last such part begins; -1 if there is none."),
    function("bool", Plain, &[&[Shape::Bool, Text]], 1, bool, Make::Plain(F::Bool), "bool(x)", "Of 'true' and 'false'."),
    function("int", Plain, &[&[Int, Uint, Double, Text, Timestamp, Duration]], 1, int, Make::Plain(F::Int), "int(x)", "A number without its fraction; the seconds of a timestamp or duration."),
    function("uint", Plain, &[&[Int, Uint, Double, Text]], 1, || Kind::Uint, Make::Plain(F::Uint), "uint(x)", "A number that is not negative."),
    function("double", Plain, &[&[Int, Uint, Double, Text, Duration]], 1, || Kind::Double, Make::Plain(F::Double), "double(x)", "A number with a fraction; the seconds of a duration."),
    function("string", Plain, &[&[Text, Bytes, Shape::Bool, Int, Uint, Double, Duration, Timestamp]], 1, text, Make::Plain(F::Text), "string(x)", "As a text."),
    function("bytes", Plain, &[&[Text, Bytes]], 1, || Kind::Bytes, Make::Plain(F::Bytes), "bytes(x)", "The bytes of a text."),
    function("duration", Plain, &[&[Text, Duration]], 1, || Kind::Duration, Make::Plain(F::Duration), "duration('1h30m')", "Of a text: numbers with ns, us, ms, s, m, h or d."),
    function("timestamp", Plain, &[&[Text, Int, Timestamp]], 1, || Kind::Timestamp, Make::Plain(F::Timestamp), "timestamp('2026-01-31T12:00:00Z')", "Of a text (RFC 3339), or of the seconds since 1970."),
    function("type", Plain, &[&[Any]], 1, || Kind::Type, Make::Plain(F::Type), "type(x)", "The type of a value, as `type(x) == string`."),
    function("dyn", Plain, &[&[Any]], 1, || Kind::Dyn, Make::Plain(F::Dyn), "dyn(x)", "The value, its type unknown to the check."),
    function("getFullYear", Method, DATE, 1, int, Make::Part(Part::FullYear), "time.getFullYear(), time.getFullYear('+01:00')", "The year; in UTC unless an offset says otherwise."),
    function("getMonth", Method, DATE, 1, int, Make::Part(Part::Month), "time.getMonth()", "The month, 0 for January."),
    function("getDate", Method, DATE, 1, int, Make::Part(Part::Date), "time.getDate()", "The day of the month, from 1 on."),
    function("getDayOfMonth", Method, DATE, 1, int, Make::Part(Part::DayOfMonth), "time.getDayOfMonth()", "The day of the month, from 0 on."),
    function("getDayOfWeek", Method, DATE, 1, int, Make::Part(Part::DayOfWeek), "time.getDayOfWeek()", "The day of the week, 0 for Sunday."),
    function("getDayOfYear", Method, DATE, 1, int, Make::Part(Part::DayOfYear), "time.getDayOfYear()", "The day of the year, from 0 on."),
    function("getHours", Method, TIME, 1, int, Make::Part(Part::Hours), "time.getHours(), time.getHours('+01:00')", "The hour of the day; all hours of a duration."),
    function("getMinutes", Method, TIME, 1, int, Make::Part(Part::Minutes), "time.getMinutes()", "The minute of the hour; all minutes of a duration."),
    function("getSeconds", Method, TIME, 1, int, Make::Part(Part::Seconds), "time.getSeconds()", "The second of the minute; all seconds of a duration."),
    function("getMilliseconds", Method, TIME, 1, int, Make::Part(Part::Milliseconds), "time.getMilliseconds()", "The milliseconds of the second."),
    function("time_between", Plain, &[&[Text], &[Text], &[Text]], 2, bool, Make::TimeBetween, "time_between('22:00', '06:00'), time_between('22:00', '06:00', '+01:00')", "Whether it is now between two times of day, the second not included; in UTC unless an offset says otherwise."),
    function("cidr", Plain, &[&[Text], &[Text, Texts]], 2, bool, Make::Cidr, "cidr(client.ip, '10.0.0.0/8'), cidr(client.ip, [a, b])", "Whether an address lies in a network, or in one of several; what is no address lies in none."),
    function("bucket", Plain, &[&[Text, Bytes], &[Text]], 1, int, Make::Plain(F::Bucket), "bucket(key), bucket(key, 'salt')", "A number from 0 to 9999, always the same for a key: the first 8 bytes, big-endian, of the SHA-256 of salt, a zero byte and key, modulo 10000."),
    function("percent", Plain, &[&[Text, Bytes], &[Text]], 1, || Kind::Double, Make::Plain(F::Percent), "percent(key), percent(key, 'salt')", "`bucket` as a number from 0.0 to 99.99: `percent(session.id) < 5.0` holds for 5 % of the sessions."),
    function("hash", Plain, CODED, 1, text, Make::Plain(F::Hash), "hash(x)", "SHA-256, in hexadecimal digits."),
    function("jwt", Plain, &[&[Text], &[Map, List]], 2, || Kind::Dyn, Make::Jwt, "jwt(request.bearer, with.keys)", "The claims of a signed token, or null if its signature, `exp` or `nbf` fails. A key is {'alg', 'key' (PEM) or 'secret', and if wanted 'kid', 'iss', 'aud', 'leeway'}; 'alg' is HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA."),
    function("base64.encode", Plain, CODED, 1, text, Make::Plain(F::Base64Encode), "base64.encode(x)", "In base64."),
    function("base64.decode", Plain, ONE_TEXT, 1, || Kind::Bytes, Make::Plain(F::Base64Decode), "base64.decode(text)", "The bytes of a text in base64, of either alphabet."),
    function("url.encode", Plain, ONE_TEXT, 1, text, Make::Plain(F::UrlEncode), "url.encode(text)", "With %XX for what has a meaning in a URL."),
    function("url.encode_path", Plain, ONE_TEXT, 1, text, Make::Plain(F::UrlEncodePath), "url.encode_path(request.path)", "A decoded path as it stands in a URL: with %XX for what has another meaning there; slashes stay."),
    function("url.decode", Plain, ONE_TEXT, 1, text, Make::Plain(F::UrlDecode), "url.decode(text)", "Without %XX, and with spaces for +."),
];

/// `request.header('x')` and the like: the map that each looks into.
pub(in super::super) const FIELDS: &[(&str, &str)] = &[
    ("request.header", "request.headers"),
    ("request.cookie", "request.cookies"),
    ("request.arg", "request.args"),
    ("response.header", "response.headers"),
];

/// What the language itself knows.
pub(in super::super) const MACROS: &[&str] = &["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];

pub(in super::super) fn find(name: &str) -> Option<&'static Signature> {
    TABLE.iter().find(|signature| signature.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_written_as_it_is_called() {
        for signature in TABLE {
            assert!(signature.written.contains(signature.name), "{}", signature.name);
            assert!(signature.least <= signature.takes.len() && signature.takes.len() <= 3, "{}", signature.name);
            let method = signature.written.contains(&format!(".{}(", signature.name));
            assert_eq!(method, signature.form != Plain && !signature.name.contains('.'), "{}", signature.name);
        }
    }
}
