//! The exact and prefix locations of one level: which of a thousand names a path is or begins with.
//!
//! nginx walks a tree it builds from the sorted names; here it is the sorted names themselves, each knowing the longest
//! other name it begins with. The greatest name not above the path is found by halving, and what the path begins with is
//! that name or one it leads back to.

/// The sorted names of one level, each with the locations of that name.
#[derive(Debug, Default)]
pub(super) struct Names {
    names: Vec<Name>,
    /// Names that end in `/` and redirect to it, without the `/`, sorted, and their locations.
    redirects: Vec<(Vec<u8>, usize)>,
}

#[derive(Debug)]
struct Name {
    text: Vec<u8>,
    /// The `=` location of that name.
    exact: Option<usize>,
    /// The prefix location of that name.
    prefix: Option<usize>,
    /// One of its locations redirects to it.
    redirect: bool,
    /// The longest name with a prefix location that this one begins with, itself excluded.
    outer: Option<usize>,
}

/// What a level's names say about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Exact(usize),
    /// The location whose name is the path and a slash.
    Redirect(usize),
    Prefix(usize),
}

/// A location as this structure sees it.
pub(super) struct Member {
    pub(super) text: Vec<u8>,
    pub(super) location: usize,
    pub(super) exact: bool,
    pub(super) redirect: bool,
}

impl Names {
    /// Of two locations with the same name and kind the first stays.
    pub(super) fn new(mut members: Vec<Member>) -> Names {
        members.sort_by(|a, b| a.text.cmp(&b.text).then(a.location.cmp(&b.location)));
        let mut level = Names::default();
        for member in members {
            level.add(member);
        }
        level.link();
        level
    }

    fn add(&mut self, member: Member) {
        if self.names.last().is_none_or(|last| last.text != member.text) {
            self.names.push(Name {
                text: member.text.clone(),
                exact: None,
                prefix: None,
                redirect: false,
                outer: None,
            });
        }
        let Some(name) = self.names.last_mut() else { return };
        let place = if member.exact { &mut name.exact } else { &mut name.prefix };
        if place.is_some() {
            return;
        }
        *place = Some(member.location);
        name.redirect |= member.redirect;
    }

    fn link(&mut self) {
        // As in nginx, the `=` location of a name goes before its prefix location here too.
        let redirects = self.names.iter().filter(|name| name.redirect).filter_map(|name| {
            let bare = name.text.strip_suffix(b"/")?;
            Some((bare.to_vec(), name.exact.or(name.prefix)?))
        });
        self.redirects = redirects.collect();
        // With the slash they were in another order than without.
        self.redirects.sort();
        let mut around: Vec<usize> = Vec::new();
        for index in 0..self.names.len() {
            while around.last().is_some_and(|outer| !self.names[index].text.starts_with(&self.names[*outer].text)) {
                around.pop();
            }
            self.names[index].outer = around.last().copied();
            if self.names[index].prefix.is_some() {
                around.push(index);
            }
        }
    }

    pub(super) fn find(&self, path: &[u8]) -> Found {
        let at = self.names.partition_point(|name| name.text.as_slice() <= path);
        let nearest = at.checked_sub(1);
        if let Some(name) = nearest.map(|index| &self.names[index]).filter(|name| name.text == path) {
            match (name.exact, name.prefix) {
                (Some(location), _) => return Found::Exact(location),
                (None, Some(location)) => return Found::Prefix(location),
                (None, None) => {}
            }
        }
        if let Ok(index) = self.redirects.binary_search_by(|(bare, _)| bare.as_slice().cmp(path)) {
            return Found::Redirect(self.redirects[index].1);
        }
        self.longest_prefix(nearest, path).map_or(Found::Nothing, Found::Prefix)
    }

    fn longest_prefix(&self, nearest: Option<usize>, path: &[u8]) -> Option<usize> {
        let mut index = nearest?;
        loop {
            let name = &self.names[index];
            match name.prefix.filter(|_| path.starts_with(&name.text)) {
                Some(location) => return Some(location),
                None => index = name.outer?,
            }
        }
    }
}
