//! What a location compresses, compiled.
//!
//! Each coding has its own types, lengths and level, as the modules for nginx have them. To whom anything compressed is sent
//! (`gzip_vary`, `gzip_proxied`, `gzip_disable`, `gzip_http_version`) does not depend on the coding and is said once, for all.

use crate::compress::{self, Algorithm, Rules, Settings, Types};
use crate::config::raw::Scope;
use crate::config::{Diagnostics, Spanned, types};
use std::ops::RangeInclusive;

pub(super) fn compile(scope: &Scope, diagnostics: &mut Diagnostics) -> Settings {
    let whom = Rules {
        proxied: proxied(scope),
        vary: scope.gzip_vary(),
        disable: disabled(scope, diagnostics),
        http_version: match scope.gzip_http_version() {
            types::HttpVersion::Http10 => http::Version::HTTP_10,
            types::HttpVersion::Http11 => http::Version::HTTP_11,
        },
        ..Rules::new(Algorithm::Gzip)
    };
    check_level(&scope.gzip_comp_level, "gzip", 1..=9, diagnostics);
    check_level(&scope.brotli_comp_level, "brotli", 0..=11, diagnostics);
    check_level(&scope.zstd_comp_level, "zstd", 1..=19, diagnostics);
    Settings {
        gzip: Rules {
            on: scope.gzip(),
            types: Types::new(scope.gzip_types()),
            min_length: scope.gzip_min_length().0,
            comp_level: scope.gzip_comp_level(),
            ..whom.clone()
        },
        brotli: Rules {
            on: scope.brotli(),
            types: Types::new(scope.brotli_types()),
            min_length: scope.brotli_min_length().0,
            comp_level: scope.brotli_comp_level(),
            ..whom.clone()
        },
        zstd: Rules {
            on: scope.zstd(),
            types: Types::new(scope.zstd_types()),
            min_length: scope.zstd_min_length().0,
            comp_level: scope.zstd_comp_level(),
            ..whom
        },
    }
}

fn check_level(level: &Option<Spanned<u32>>, coding: &str, known: RangeInclusive<u32>, diagnostics: &mut Diagnostics) {
    if let Some(level) = level.as_ref().filter(|level| !known.contains(&level.value)) {
        let (least, most) = (known.start(), known.end());
        diagnostics.error(level.span, format!("a level of {coding} is from {least} to {most}, not {}", level.value));
    }
}

fn proxied(scope: &Scope) -> compress::Proxied {
    let words = scope.gzip_proxied().into_iter().filter_map(|w| compress::Proxied::parse(w.word()));
    words.reduce(|a, b| a | b).unwrap_or(compress::Proxied::OFF)
}

fn disabled(scope: &Scope, diagnostics: &mut Diagnostics) -> Vec<compress::Pattern> {
    let mut patterns = Vec::new();
    for pattern in scope.gzip_disable.iter().flat_map(|l| &l.value) {
        match compress::Pattern::compile(pattern) {
            Ok(compiled) => patterns.push(compiled),
            Err(e) => {
                diagnostics.error(pattern.span, e.to_string());
            }
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Raw, yaml};
    use std::path::Path;

    fn compiled(text: &str) -> (Settings, String) {
        let mut diagnostics = Diagnostics::new();
        let node = yaml::parse(Path::new("edge.yaml"), text, &mut diagnostics).unwrap();
        let raw = Raw::read(&node, &mut diagnostics);
        let settings = compile(&raw.scope, &mut diagnostics);
        (settings, diagnostics.to_string())
    }

    #[test]
    fn without_a_word_all_is_off_and_the_rest_is_as_the_modules_have_it() {
        let (settings, said) = compiled("default_type: text/plain\n");
        assert_eq!((said.as_str(), settings.is_off()), ("", true));
        assert_eq!([&settings.gzip, &settings.brotli, &settings.zstd].map(|rules| rules.comp_level), [1, 6, 1]);
        assert_eq!([&settings.gzip, &settings.brotli, &settings.zstd].map(|rules| rules.min_length), [20; 3]);
    }

    #[test]
    fn each_coding_has_its_own_types_and_to_whom_is_said_for_all() {
        let (settings, said) = compiled(
            "gzip: { enabled: off, vary: on, proxied: any, disable: curl, http_version: '1.0', types: [a/b] }\n\
             brotli: { types: [c/d], min_length: 1k, comp_level: 11 }\nzstd: { comp_level: 19 }\n",
        );
        assert_eq!(said, "");
        assert_eq!(settings.brotli.types, Types::new(["c/d"]));
        assert_eq!((settings.brotli.min_length, settings.brotli.comp_level), (1024, 11));
        assert_eq!((settings.zstd.types.clone(), settings.zstd.comp_level), (Types::default(), 19));
        assert_eq!([settings.gzip.on, settings.brotli.on, settings.zstd.on], [false, true, true]);
        for rules in [&settings.brotli, &settings.zstd] {
            assert!(rules.vary && rules.proxied.contains(compress::Proxied::ANY) && rules.disable.len() == 1);
            assert_eq!(rules.http_version, http::Version::HTTP_10);
        }
    }

    #[test]
    fn a_level_that_the_coding_does_not_have_is_told() {
        let (_, said) = compiled("gzip_comp_level: 10\nbrotli_comp_level: 12\nzstd_comp_level: 22\n");
        for expected in [
            "edge.yaml:1:18: error: a level of gzip is from 1 to 9, not 10",
            "edge.yaml:2:20: error: a level of brotli is from 0 to 11, not 12",
            "edge.yaml:3:18: error: a level of zstd is from 1 to 19, not 22",
        ] {
            assert!(said.contains(expected), "{expected}\n{said}");
        }
    }
}
