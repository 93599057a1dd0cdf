//! Session ids as memcached-session-manager reads and writes them.

const ID_LIMIT: usize = 200;

/// `base[-node][.route]`, checked: nothing in it can end a word or a line of memcached's protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Id<'a> {
    pub base: &'a str,
    pub node: Option<&'a str>,
    pub route: Option<&'a str>,
}

impl<'a> Id<'a> {
    /// MSM's reading: the first dot begins the route, the first dash before it the node.
    pub fn parse(id: &'a str) -> Option<Id<'a>> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if id.len() > ID_LIMIT || !id.bytes().all(good) {
            return None;
        }
        let (front, route) = id.split_once('.').map_or((id, None), |(front, route)| (front, Some(route)));
        let (base, node) = front.split_once('-').map_or((front, None), |(base, node)| (base, Some(node)));
        Some(Id { base, node, route }).filter(|id| !id.base.is_empty())
    }

    pub fn at(&self, node: Option<&str>, route: Option<&str>) -> String {
        let mut id = self.base.to_string();
        for (mark, part) in [('-', node), ('.', route)] {
            if let Some(part) = part {
                id.push(mark);
                id.push_str(part);
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_msm_reads_them() {
        for (text, base, node, route) in [
            ("A", "A", None, None),
            ("A.t1", "A", None, Some("t1")),
            ("A-n1", "A", Some("n1"), None),
            ("A-n1.t1", "A", Some("n1"), Some("t1")),
            ("a-n1-n2.t2", "a", Some("n1-n2"), Some("t2")),
            ("x.t1-n1", "x", None, Some("t1-n1")),
            ("a-n1.t2.t3", "a", Some("n1"), Some("t2.t3")),
        ] {
            let id = Id::parse(text).unwrap();
            assert_eq!(id, Id { base, node, route }, "{text}");
            assert_eq!(id.at(node, route), text);
        }
        for text in ["", ".t1", "-n1.t1", "a b", "a\r\nb", "a\0", "ä", &"a".repeat(201)] {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
