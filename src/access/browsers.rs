//! Browsers by their `User-Agent`: `modern_browser`, `ancient_browser` (nginx's ngx_http_browser_module).

/// `modern_browser msie 5.5`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modern {
    mask: &'static Mask,
    version: u64,
}

/// How a browser names itself: nothing is looked for before `skip`, the version stands `add` behind the name's beginning.
#[derive(Debug, PartialEq, Eq)]
struct Mask {
    word: &'static str,
    skip: usize,
    add: usize,
    name: &'static str,
}

const MASKS: &[Mask] = &[
    // Others' names stand in its own, so that it comes first.
    Mask { word: "opera", skip: 0, add: "Opera ".len(), name: "Opera" },
    Mask { word: "msie", skip: "Mozilla/4.0 (compatible; ".len(), add: "MSIE ".len(), name: "MSIE " },
    Mask { word: "gecko", skip: "Mozilla/5.0 (".len(), add: "rv:".len(), name: "rv:" },
    Mask { word: "safari", skip: "Mozilla/5.0 (".len(), add: "Safari/".len(), name: "Safari/" },
    Mask { word: "konqueror", skip: "Mozilla/5.0 (compatible; ".len(), add: "Konqueror/".len(), name: "Konqueror/" },
];

/// The parts of a version count in hundreds, four of them.
const FIRST: u64 = 1_000_000;

impl Modern {
    pub const WORDS: &'static [&'static str] = &["msie", "gecko", "opera", "safari", "konqueror"];

    /// `None`: there is no such browser, or that is no version.
    pub fn parse(word: &str, version: &str) -> Option<Modern> {
        let mask = MASKS.iter().find(|mask| mask.word == word)?;
        let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let version = is_version.then(|| weigh(version.as_bytes()))?;
        Some(Modern { mask, version })
    }
}

fn weigh(version: &[u8]) -> u64 {
    let mut scale = FIRST;
    let parts = version.split(|b| *b == b'.').map(|part| {
        let number = part.iter().fold(0_u64, |n, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        let weight = number.saturating_mul(scale);
        scale /= 100;
        weight
    });
    parts.fold(0, u64::saturating_add)
}

/// What is known of browsers at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browsers {
    modern: Vec<Modern>,
    /// `modern_browser unlisted`
    pub unlisted: bool,
    /// Parts of names.
    pub ancient: Vec<String>,
    /// `ancient_browser netscape4`
    pub netscape4: bool,
}

impl Browsers {
    /// Opera, whose name holds those of others, is old where nothing is said of it.
    pub fn set_modern(&mut self, mut modern: Vec<Modern>) {
        let place = |modern: &Modern| MASKS.iter().position(|mask| mask == modern.mask);
        if !modern.is_empty() && !modern.iter().any(|modern| place(modern) == Some(0)) {
            modern.push(Modern { mask: &MASKS[0], version: u64::MAX });
        }
        modern.sort_by_key(place);
        self.modern = modern;
    }

    pub fn is_modern(&self, agent: Option<&[u8]>) -> bool {
        let Some(agent) = agent else { return self.unlisted };
        for modern in &self.modern {
            let Modern { mask, version } = modern;
            let named = agent.get(mask.skip..).and_then(|rest| after(rest, mask.name.as_bytes()));
            let Some(rest) = named.and_then(|rest| rest.get(mask.add..)).filter(|rest| !rest.is_empty()) else {
                continue;
            };
            let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'.').unwrap_or(rest.len());
            return weigh(&rest[..end]) >= *version;
        }
        let netscape4 = agent.len() > "Mozilla/4.72 ".len()
            && agent.strip_prefix(b"Mozilla/").is_some_and(|rest| matches!(rest[0], b'1'..=b'4'));
        let listed = self.ancient.iter().any(|name| after(agent, name.as_bytes()).is_some());
        self.unlisted && !listed && !(self.netscape4 && netscape4)
    }
}

/// `$msie`
pub fn is_msie(agent: &[u8]) -> bool {
    after(agent, b"MSIE ").is_some_and(|rest| rest.len() > 7) && after(agent, b"Opera").is_none()
}

/// The text from the first place where `part` stands in it.
fn after<'t>(text: &'t [u8], part: &[u8]) -> Option<&'t [u8]> {
    memchr::memmem::find(text, part).map(|at| &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_by_name_and_version() {
        let mut browsers = Browsers { ancient: vec!["Lynx".into()], netscape4: true, ..Browsers::default() };
        let modern = [("msie", "5.5"), ("gecko", "1.0.0"), ("opera", "9.0"), ("safari", "413"), ("konqueror", "3.0")];
        browsers.set_modern(modern.map(|(word, version)| Modern::parse(word, version).unwrap()).into());
        for unlisted in [false, true] {
            browsers.unlisted = unlisted;
            for (agent, expected) in [
                ("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true),
                ("Mozilla/4.0 (compatible; MSIE 5.5; Windows NT 5.1)", true),
                ("Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.1)", false),
                ("Mozilla/4.0 (compatible; MSIE 6.0; X11) Opera 7.50 [en]", false),
                ("Opera/9.00 (X11; U; en)", true),
                ("Mozilla/5.0 (X11; U; FreeBSD; en-US; rv:1.7.3) Gecko/20041001", true),
                ("Mozilla/5.0 (X11; U; FreeBSD; en-US; rv:0.9) Gecko/20041001", false),
                ("Mozilla/5.0 (Macintosh; U) AppleWebKit/125.2 (KHTML) Safari/125.7", false),
                ("Mozilla/5.0 (compatible; Konqueror/3.1; Linux)", true),
                ("Mozilla/4.72 [en] (X11)", false),
                ("Lynx/2.8", false),
                ("curl/8", unlisted),
                ("", unlisted),
                ("Opera", unlisted),
            ] {
                assert_eq!(browsers.is_modern(Some(agent.as_bytes())), expected, "{agent} {unlisted}");
            }
            assert_eq!(browsers.is_modern(None), unlisted);
        }
        let mut browsers = Browsers { unlisted: true, ..Browsers::default() };
        browsers.set_modern(vec![Modern::parse("msie", "6.0").unwrap()]);
        assert!(!browsers.is_modern(Some(b"Opera/9.00 (X11; U; en)")) && browsers.is_modern(Some(b"curl")));
        assert_eq!(Modern::parse("chrome", "1"), None);
        assert_eq!(Modern::parse("msie", "x"), None);
        assert!(is_msie(b"Mozilla/4.0 (compatible; MSIE 6.0; Windows)") && !is_msie(b"MSIE 6") && !is_msie(b"x"));
    }
}
