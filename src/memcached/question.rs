//! Each question in the protocol's words, and which replies it can have.
//!
//! `set` and `delete` are `noreply` in the crate, and yet memcached answers some of them (a value that is too large, a line it
//! does not understand): `version` follows on the same connection, so that such an answer is read by whoever caused it, and
//! when the question is over memcached has done what it said.

use super::reply::Expected;
use super::wire::Wire;
use super::{Key, Life, Swap, Token};
use memcache_async::ascii::Protocol;
use std::collections::HashMap;
use std::io;
use tokio::net::TcpStream;

pub(super) enum Question<'q> {
    Get(&'q [Key]),
    Gets(&'q Key),
    Add(&'q Key, &'q [u8], Life),
    Cas(&'q Key, &'q [u8], Life, Token),
    Set(&'q Key, &'q [u8], Life),
    Incr(&'q Key, u64),
    Decr(&'q Key, u64),
    Delete(&'q Key),
    Version,
}

pub(super) enum Answer {
    Values(HashMap<String, Vec<u8>>),
    Value(Option<(Vec<u8>, Token)>),
    Swap(Swap),
    Number(Option<u64>),
    /// It was done, or the condition for it was not met.
    Done(bool),
}

impl Question<'_> {
    fn expected(&self) -> Expected<'_> {
        match self {
            Question::Get(keys) => Expected::Values(keys),
            Question::Gets(key) => Expected::Values(std::slice::from_ref(key)),
            Question::Add(..) => Expected::Line(&["STORED", "NOT_STORED"]),
            Question::Cas(..) => Expected::Line(&["STORED", "EXISTS", "NOT_FOUND"]),
            Question::Incr(..) | Question::Decr(..) => Expected::Number,
            Question::Set(..) | Question::Delete(_) | Question::Version => Expected::Line(&["VERSION "]),
        }
    }

    /// Bytes of the value that would be stored.
    pub fn size(&self) -> usize {
        match self {
            Question::Add(_, value, _) | Question::Cas(_, value, ..) | Question::Set(_, value, _) => value.len(),
            _ => 0,
        }
    }

    /// Asks, and reads the answer to its end. After an error the connection must not be used again.
    pub async fn put_to(&self, stream: &mut TcpStream) -> io::Result<Answer> {
        let mut wire = Wire::new(stream, self.expected());
        let answer = self.say(&mut Protocol::new(&mut wire)).await?;
        match wire.is_answered() {
            true => Ok(answer),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end")),
        }
    }

    async fn say(&self, to: &mut Protocol<&mut Wire<'_>>) -> io::Result<Answer> {
        Ok(match *self {
            Question::Get(keys) => Answer::Values(to.get_multi(keys).await?),
            Question::Gets(key) => match to.gets_cas(key).await {
                Ok((value, token)) => Answer::Value(Some((value, Token(token)))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Answer::Value(None),
                Err(e) => return Err(e),
            },
            Question::Add(key, value, life) => match to.add(key, value, life.seconds()).await {
                Ok(()) => Answer::Done(true),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Answer::Done(false),
                Err(e) => return Err(e),
            },
            Question::Cas(key, value, life, token) => match to.cas(key, value, token.0, life.seconds()).await {
                Ok(true) => Answer::Swap(Swap::Stored),
                Ok(false) => Answer::Swap(Swap::Changed),
                // The crate looks for `NOT FOUND`, which memcached never says, and gives its line back as an error.
                Err(e) if is_gone(&e) => Answer::Swap(Swap::Gone),
                Err(e) => return Err(e),
            },
            Question::Incr(key, by) => Answer::Number(number(to.increment(key, by).await)?),
            Question::Decr(key, by) => Answer::Number(number(to.decrement(key, by).await)?),
            Question::Set(key, value, life) => {
                to.set(key, value, life.seconds()).await?;
                to.version().await?;
                Answer::Done(true)
            }
            Question::Delete(key) => {
                to.delete(key).await?;
                to.version().await?;
                Answer::Done(true)
            }
            Question::Version => {
                to.version().await?;
                Answer::Done(true)
            }
        })
    }
}

fn number(answer: io::Result<u64>) -> io::Result<Option<u64>> {
    match answer {
        Ok(number) => Ok(Some(number)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn is_gone(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::NotFound || e.to_string().starts_with("NOT_FOUND")
}
