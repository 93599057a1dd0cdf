//! How the logs are written: `access_log`, `error_log` and `log_format`.

use serde_json::json;

use super::{entry, parameters, read_short, short_or_map, short_schema};
use crate::config::node::Entry;
use crate::config::value::{Arg, Named, Size, Time, Value};
use crate::config::{Diagnostics, Node};
use crate::{keys, words};

keys! {
    /// Where an access log goes.
    pub struct AccessLogKeys {
        /// The file, relative to the prefix.
        ["-"] path: String,
        /// The name of a `log_format`, `combined` if none is given.
        ["-"] format: String = "combined",
        /// Lines are gathered until there are so many bytes of them.
        ["-"] buffer: Size,
        /// Gathered lines are written at the latest after this time.
        ["-"] flush: Time,
        /// Only requests are logged for which this is neither empty nor `0`.
        ["-"] condition ("if"): String,
    }
}

/// `access_log: off`, a path, `{path, format}`, or a list of these.
#[derive(Clone, Debug)]
pub enum AccessLog {
    Off,
    To(Box<AccessLogKeys>),
}

impl Value for AccessLog {
    const REPEATS: bool = true;

    fn expected() -> String {
        "`off`, the path of a file, or a map with `path` and `format`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<AccessLog> {
        if matches!(node.as_text(), Some("off" | "false")) {
            return Some(AccessLog::Off);
        }
        let keys: AccessLogKeys = read_short::<AccessLog, _>(node, "path", "`access_log`", diagnostics)?;
        if keys.path.is_none() {
            diagnostics.error(node.span, "`access_log` has no `path`");
            return None;
        }
        Some(AccessLog::To(Box::new(keys)))
    }

    fn schema() -> serde_json::Value {
        short_schema::<AccessLogKeys>(json!({ "type": ["string", "boolean"] }))
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let [path, rest @ ..] = args else {
            return Err("expected `off` or the path of a file".into());
        };
        let (format, rest) = match rest {
            [format, rest @ ..] if !format.text.contains('=') => (Some(format), rest),
            rest => (None, rest),
        };
        let mut entries: Vec<Entry> = format.map(|f| entry("format", f.span, f.node())).into_iter().collect();
        entries.extend(parameters(rest, &[])?);
        Ok(short_or_map("path", path.node(), entries))
    }
}

words! {
    /// What is worth a line in the error log.
    pub enum LogLevel {
        Debug = "debug",
        Info = "info",
        Notice = "notice",
        Warn = "warn",
        Error = "error",
        Crit = "crit",
        Alert = "alert",
        Emerg = "emerg",
    }
}

keys! {
    /// Where the error log goes.
    pub struct ErrorLogKeys {
        /// The file, relative to the prefix, or `stderr`.
        ["-"] path: String = "stderr",
        /// What is less is not written.
        ["-"] level: LogLevel = "error",
    }
}

/// `error_log: logs/error.log` or `{path, level}`.
#[derive(Clone, Debug)]
pub struct ErrorLog(pub ErrorLogKeys);

impl Value for ErrorLog {
    fn expected() -> String {
        "the path of a file, `stderr`, or a map with `path` and `level`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<ErrorLog> {
        read_short::<ErrorLog, _>(node, "path", "`error_log`", diagnostics).map(ErrorLog)
    }

    fn schema() -> serde_json::Value {
        short_schema::<ErrorLogKeys>(json!({ "type": "string" }))
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        match args {
            [path] => Ok(path.node()),
            [path, level] => Ok(short_or_map("path", path.node(), vec![entry("level", level.span, level.node())])),
            _ => Err("expected a file and a level".into()),
        }
    }
}

words! {
    /// How `log_format` escapes the values of variables.
    pub enum LogEscape {
        Default = "default",
        Json = "json",
        None = "none",
    }
}

keys! {
    /// What a line of an access log looks like.
    pub struct LogFormatKeys {
        /// The line, with variables.
        ["-"] format: String,
        /// How characters that would break the line are written: `\xXX`, as JSON, or not at all.
        ["-"] escape: LogEscape = "default",
        /// Instead of `format`: the fields of a JSON object, each with its value.
        ["-"] json: Named<String>,
    }
}

/// `main: '$remote_addr …'`, `{format, escape}` or `{json: {name: $variable}}`.
#[derive(Clone, Debug)]
pub struct LogFormat(pub LogFormatKeys);

impl Value for LogFormat {
    const REPEATS: bool = true;

    fn expected() -> String {
        "a line with variables, or a map with `format` and `escape`, or with `json`".into()
    }

    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<LogFormat> {
        let keys: LogFormatKeys = read_short::<LogFormat, _>(node, "format", "a log format", diagnostics)?;
        if keys.format.is_some() == keys.json.is_some() {
            diagnostics.error(node.span, "a log format has either `format` or `json`");
            return None;
        }
        Some(LogFormat(keys))
    }

    fn schema() -> serde_json::Value {
        short_schema::<LogFormatKeys>(json!({ "type": "string" }))
    }

    fn from_args(args: &[Arg]) -> Result<Node, String> {
        let (escape, parts) = match args {
            [first, rest @ ..] => match first.parameter("escape") {
                Some(escape) if !first.quoted => (Some((escape, first.span)), rest),
                _ => (None, args),
            },
            [] => return Err("expected a format".into()),
        };
        let Some(first) = parts.first() else {
            return Err("expected a format".into());
        };
        let text: String = parts.iter().map(|p| p.text.as_str()).collect();
        let format = Node::quoted(first.span, text);
        let escape = escape.map(|(escape, at)| entry("escape", at, Node::scalar(at, escape)));
        Ok(short_or_map("format", format, escape.into_iter().collect()))
    }
}
