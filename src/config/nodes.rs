//! `memcachedNodes` of memcached-session-manager: which memcacheds hold sessions, and what they are called.
//!
//! It is here because it is written at two places, as `session_store` in edge.yaml and in a Tomcat's context.xml, and has to mean
//! the same at both.

/// What is wrong with a list of nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodesMistake {
    #[error("no memcached is named: write `{{ n1: 'host:11211' }}`, or MSM's `n1:host:11211,n2:host:11211`")]
    None,
    #[error("`{0}`: sessions that MSM keeps in Redis are not supported, edge reads memcached")]
    Redis(String),
    #[error("`{0}`: sessions that MSM keeps in Couchbase are not supported, edge reads memcached nodes with names")]
    Couchbase(String),
    #[error("`{0}` is no address: write `host:port`, as `10.0.0.1:11211`, `cache.example:11211` or `[::1]:11211`")]
    Address(String),
    #[error("`{0}` is no name of a node: MSM takes letters, digits and `_`, and writes it into each session's id")]
    Name(String),
    #[error("two nodes are called `{0}`")]
    Twice(String),
    #[error("`{0}` has no name, and is not the only node: write `n1:{0}`, as in MSM's `memcachedNodes`")]
    Nameless(String),
}

/// MSM's `memcachedNodes`: `n1:host:port,n2:host:port`, parted by commas or white space, or one `host:port`. Beyond MSM an
/// address of IPv6 may stand in brackets.
pub fn parse_nodes(text: &str) -> Result<Vec<(String, String)>, NodesMistake> {
    let words = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let nodes: Vec<(String, String)> = words.map(parse_node).collect::<Result<_, _>>()?;
    check_nodes(&nodes)?;
    Ok(nodes)
}

/// Looks at nodes however they were written.
pub fn check_nodes(nodes: &[(String, String)]) -> Result<(), NodesMistake> {
    if nodes.is_empty() {
        return Err(NodesMistake::None);
    }
    for (at, (name, address)) in nodes.iter().enumerate() {
        if !is_address(address) {
            return Err(foreign(address).unwrap_or_else(|| NodesMistake::Address(address.clone())));
        }
        if name.is_empty() && nodes.len() > 1 {
            return Err(NodesMistake::Nameless(address.clone()));
        }
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(NodesMistake::Name(name.clone()));
        }
        if nodes[..at].iter().any(|(before, _)| before == name) {
            return Err(NodesMistake::Twice(name.clone()));
        }
    }
    Ok(())
}

/// `name:host:port` or `host:port`.
fn parse_node(word: &str) -> Result<(String, String), NodesMistake> {
    if let Some(mistake) = foreign(word) {
        return Err(mistake);
    }
    let named = match word.split_once(':') {
        // Of `[::1]:11211` as well the first colon parts no name.
        Some((name, address)) if address.contains(':') && !word.starts_with('[') => Some((name, address)),
        _ => None,
    };
    let (name, address) = named.unwrap_or(("", word));
    if named.is_some() && name.is_empty() {
        return Err(NodesMistake::Name(name.to_owned()));
    }
    Ok((name.to_owned(), address.to_owned()))
}

/// MSM's other stores.
fn foreign(text: &str) -> Option<NodesMistake> {
    // An address may hold a password.
    let shown = |scheme: &str| format!("{scheme}://…");
    match text.split_once("://")?.0 {
        scheme @ ("redis" | "rediss") => Some(NodesMistake::Redis(shown(scheme))),
        scheme @ ("http" | "https") => Some(NodesMistake::Couchbase(shown(scheme))),
        _ => None,
    }
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_good = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    host_is_good && port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(text: &str) -> Vec<(String, String)> {
        parse_nodes(text).unwrap()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect()
    }

    #[test]
    fn memcached_nodes_are_read_as_msm_reads_them() {
        let two = pairs(&[("n1", "10.0.0.1:11211"), ("n2", "cache.example:11212")]);
        for text in [
            "n1:10.0.0.1:11211,n2:cache.example:11212",
            "n1:10.0.0.1:11211 n2:cache.example:11212",
            " n1:10.0.0.1:11211,\n  n2:cache.example:11212 ",
        ] {
            assert_eq!(nodes(text), two, "{text:?}");
        }
        assert_eq!(nodes("localhost:11211"), pairs(&[("", "localhost:11211")]));
        assert_eq!(nodes("n1:localhost:11211"), pairs(&[("n1", "localhost:11211")]));
        assert_eq!(nodes("[::1]:11211"), pairs(&[("", "[::1]:11211")]));
        assert_eq!(nodes("n1:[::1]:1,n2:[fe80::1]:2"), pairs(&[("n1", "[::1]:1"), ("n2", "[fe80::1]:2")]));
    }

    #[test]
    fn what_edge_cannot_read_is_said() {
        for (text, told) in [
            ("", "no memcached is named"),
            (" , ", "no memcached is named"),
            ("redis://u:secret@h:6379", "`redis://…`: sessions that MSM keeps in Redis are not supported"),
            ("rediss://h", "not supported"),
            ("http://h:8091/pools", "Couchbase are not supported"),
            ("h", "`h` is no address"),
            ("n1:h", "`n1:h` is no address"),
            ("n1:h:0", "`h:0` is no address"),
            ("n1:h:70000", "is no address"),
            ("n1:h:+1", "is no address"),
            ("n1:::1:11211", "is no address"),
            ("n1:[::x]:1", "is no address"),
            (":h:1", "is no name"),
            ("n-1:h:1", "`n-1` is no name of a node"),
            ("n1:h:1,n1:h:2", "two nodes are called `n1`"),
            ("n1:h:1,h:2", "`h:2` has no name, and is not the only node"),
        ] {
            let mistake = parse_nodes(text).unwrap_err().to_string();
            assert!(mistake.contains(told), "{text:?}: {mistake}");
            assert!(!mistake.contains("secret"), "{mistake}");
        }
    }
}
