//! A reader of Prometheus's text exposition format 0.0.4 that forgives nothing: each family once and with its head, names and
//! labels as they must be, counters that end with `_total`, buckets that grow up to the count.

use std::collections::BTreeMap;

/// What was exposed.
pub struct Metrics {
    families: BTreeMap<String, Family>,
}

/// The name with its suffix, the labels in their order, the value.
type Sample = (String, Vec<(String, String)>, f64);

#[derive(Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
    samples: Vec<Sample>,
}

impl Metrics {
    pub fn parse(text: &str) -> Result<Metrics, String> {
        if !text.ends_with('\n') {
            return Err("the last line does not end".into());
        }
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        for (at, line) in text.lines().enumerate() {
            let wrong = |what: &str| format!("line {}: {what}: {line}", at + 1);
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').ok_or_else(|| wrong("no text"))?;
                if families.insert(name.to_owned(), Family { help: help.to_owned(), ..Family::default() }).is_some() {
                    return Err(wrong("the family stands twice"));
                }
                current = name.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').ok_or_else(|| wrong("no kind"))?;
                let family =
                    families.get_mut(name).filter(|_| name == current).ok_or_else(|| wrong("not after its HELP"))?;
                kind.clone_into(&mut family.kind);
            } else {
                let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
                let family = families.get_mut(&current).ok_or_else(|| wrong("no family"))?;
                let suffix = sample.0.strip_prefix(&current).ok_or_else(|| wrong("of another family"))?;
                let fits = match &*family.kind {
                    "histogram" => matches!(suffix, "_bucket" | "_sum" | "_count"),
                    "counter" => suffix.is_empty() && current.ends_with("_total") && sample.2 >= 0.0,
                    "gauge" => suffix.is_empty(),
                    _ => false,
                };
                if !fits || family.samples.iter().any(|(name, labels, _)| (name, labels) == (&sample.0, &sample.1)) {
                    return Err(wrong("not what its family says, or twice"));
                }
                family.samples.push(sample);
            }
        }
        let metrics = Metrics { families };
        metrics.check_histograms()?;
        Ok(metrics)
    }

    fn check_histograms(&self) -> Result<(), String> {
        for (name, family) in self.families.iter().filter(|(_, family)| family.kind == "histogram") {
            let counts = family.samples.iter().filter(|(sample, ..)| sample.ends_with("_count"));
            for (_, labels, count) in counts {
                let of_it = family.samples.iter().filter(|(sample, own, _)| {
                    sample.ends_with("_bucket") && own.iter().filter(|(label, _)| label != "le").eq(labels.iter())
                });
                let values: Vec<f64> = of_it.map(|(.., value)| *value).collect();
                if !values.is_sorted() || values.last() != Some(count) {
                    return Err(format!("{name}{labels:?}: the buckets are {values:?}, the count is {count}"));
                }
            }
        }
        Ok(())
    }

    pub fn families(&self) -> impl Iterator<Item = (&str, &Family)> {
        self.families.iter().map(|(name, family)| (&**name, family))
    }

    pub fn family(&self, name: &str) -> Option<&Family> {
        self.families.get(name)
    }

    /// The one sample of that name with those labels, in any order.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = self.families.values().flat_map(|family| &family.samples);
        let has = |own: &[(String, String)]| {
            own.len() == labels.len()
                && labels.iter().all(|(n, v)| own.iter().any(|(name, value)| name == n && value == v))
        };
        samples.filter(|(known, own, _)| known == name && has(own)).map(|(.., value)| *value).next()
    }
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Option<Sample> {
    let (before, value) = line.rsplit_once(' ')?;
    let (name, mut rest) = match before.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (before, ""),
    };
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"")?;
        let (value, after) = quoted(after)?;
        if !is_name(label) || labels.iter().any(|(known, _)| known == label) {
            return None;
        }
        labels.push((label.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some(after) => after,
            None if after.is_empty() => after,
            None => return None,
        };
    }
    let value: f64 = value.parse().ok()?;
    (is_name(name) && !value.is_nan()).then(|| (name.to_owned(), labels, value))
}

/// A value up to its closing quote, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(match rest.next()? {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
}

#[test]
fn what_is_not_of_the_format_is_refused() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    assert!(Metrics::parse(&format!("{head}a_total 1\n")).is_ok());
    for wrong in [
        "a_total 1",
        "b_total 1\n",
        "a_total{x=1} 1\n",
        "a_total 1\na_total 2\n",
        "a_total\n",
        "a_total{x=\"\\q\"} 1\n",
    ] {
        assert!(Metrics::parse(&format!("{head}{wrong}")).is_err(), "{wrong}");
    }
    let histogram =
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n";
    assert!(Metrics::parse(histogram).is_err());
}
