//! Where a listener looks for admission tokens, and what it makes of them.

use super::{Denial, Keys, Pass, in_protocol, in_server_name, in_username};

/// What a listener asks for at its door.
#[derive(Debug, Default)]
pub struct Door {
    /// What tokens are checked with.
    pub keys: Keys,
    /// As first label of the server name (SNI).
    pub server_name: bool,
    /// As application protocol (ALPN).
    pub protocol: bool,
    /// In front of the user name.
    pub username: bool,
    /// Nobody gets in without one.
    pub required: bool,
}

impl Door {
    /// What a ClientHello shows: the token, and the server name without it.
    pub fn hello<'n, 'p>(
        &self,
        name: Option<&'n str>,
        protocols: impl IntoIterator<Item = &'p [u8]>,
        now: i64,
    ) -> (Option<&'n str>, Result<Option<Pass>, Denial>) {
        let in_name = name.filter(|_| self.server_name).and_then(in_server_name);
        let name = in_name.map_or(name, |(_, rest)| Some(rest));
        let by_name = in_name.map(|(token, _)| self.keys.check(token.as_bytes(), now));
        let by_protocol = || {
            let token = protocols.into_iter().filter(|_| self.protocol).find_map(in_protocol)?;
            Some(self.keys.check(token, now))
        };
        let shown = by_name.or_else(by_protocol).transpose();
        (
            name,
            shown.and_then(|pass| if pass.is_none() && self.is_last_word() { Err(Denial::Missing) } else { Ok(pass) }),
        )
    }

    /// Whether a token must have been shown with the ClientHello, if anywhere.
    const fn is_last_word(&self) -> bool {
        self.required && !self.username
    }

    /// What a CONNECT shows, after the ClientHello has shown `pass`: the user name without its token, whether that holds or
    /// not, and whether it gets in, and by what.
    pub fn connect<'n>(
        &self,
        pass: Option<Pass>,
        username: Option<&'n str>,
        now: i64,
    ) -> (Option<&'n str>, Result<Option<Pass>, Denial>) {
        let shown = username.filter(|_| self.username).and_then(in_username);
        let (username, pass) = match shown {
            Some((token, rest)) => (Some(rest), self.keys.check(token.as_bytes(), now).map(Some)),
            None => (username, Ok(pass)),
        };
        (username, pass.and_then(|pass| if pass.is_none() && self.required { Err(Denial::Missing) } else { Ok(pass) }))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::super::KEY_BYTES;
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn door(server_name: bool, protocol: bool, username: bool, required: bool) -> Door {
        let mut keys = Keys::default();
        keys.add(&format!("1:{}", BASE64.encode(&[1; KEY_BYTES]))).unwrap();
        Door { keys, server_name, protocol, username, required }
    }

    fn token(expires: u32) -> String {
        door(false, false, false, false).keys.make(1, expires, None).unwrap()
    }

    #[test]
    fn a_hello_is_let_in_by_a_token_where_one_is_looked_for() {
        let (good, late) = (token(1_800_000_000), token(1_600_000_000));
        let name = |token: &str| format!("{token}.plant.example");
        let alpn = |token: &str| format!("tg1.{token}").into_bytes();
        let plain = "plant.example".to_owned();
        let mqtt = b"mqtt".to_vec();
        let cases = [
            (door(true, true, false, true), name(&good), vec![mqtt.clone()], Ok(true)),
            (door(true, true, false, true), plain.clone(), vec![mqtt.clone(), alpn(&good)], Ok(true)),
            (door(true, true, false, true), plain.clone(), vec![mqtt], Err(Denial::Missing)),
            (door(true, false, false, true), plain.clone(), vec![alpn(&good)], Err(Denial::Missing)),
            (door(false, true, false, true), name(&good), vec![], Err(Denial::Missing)),
            (door(true, true, false, true), name(&late), vec![alpn(&good)], Err(Denial::Expired)),
            (door(true, true, false, true), name(&"a".repeat(63)), vec![], Err(Denial::Invalid)),
            (door(true, true, false, true), plain.clone(), vec![b"tg1.".to_vec()], Err(Denial::Invalid)),
            (door(true, true, false, false), name(&late), vec![], Err(Denial::Expired)),
            (door(true, true, false, false), plain.clone(), vec![], Ok(false)),
            (door(true, true, true, true), plain, vec![], Ok(false)),
        ];
        for (door, name, protocols, expected) in cases {
            let (_, shown) = door.hello(Some(&name), protocols.iter().map(Vec::as_slice), NOW);
            assert_eq!(shown.map(|pass| pass.is_some()), expected, "{name} {protocols:?}");
        }
    }

    #[test]
    fn the_server_name_goes_on_without_its_token() {
        let name = format!("{}.plant.example", token(1_800_000_000));
        assert_eq!(door(true, false, false, true).hello(Some(&name), [], NOW).0, Some("plant.example"));
        assert_eq!(door(false, true, false, true).hello(Some(&name), [], NOW).0, Some(&*name), "it is no token here");
        assert_eq!(door(true, true, false, true).hello(None, [], NOW).0, None);
    }

    #[test]
    fn a_connect_is_let_in_by_what_the_hello_showed_or_by_its_user_name() {
        let (good, late) = (token(1_800_000_000), token(1_600_000_000));
        let pass = door(true, true, true, true).keys.check(good.as_bytes(), NOW).unwrap();
        let named = |token: &str| format!("{token}@pump-7");
        let cases = [
            (true, true, None, Some(named(&good)), Ok((true, Some("pump-7")))),
            (true, true, None, Some(format!("{good}@")), Ok((true, Some("")))),
            (true, true, Some(pass), Some("pump-7".to_owned()), Ok((true, Some("pump-7")))),
            (true, true, Some(pass), Some(named(&good)), Ok((true, Some("pump-7")))),
            (true, true, Some(pass), None, Ok((true, None))),
            (true, true, Some(pass), Some(named(&late)), Err(Denial::Expired)),
            (true, true, None, Some("pump-7".to_owned()), Err(Denial::Missing)),
            (true, true, None, None, Err(Denial::Missing)),
            (false, true, None, None, Err(Denial::Missing)),
            (true, false, None, Some("pump-7".to_owned()), Ok((false, Some("pump-7")))),
            (true, false, None, Some(format!("{}@x", "b".repeat(63))), Err(Denial::Invalid)),
        ];
        for (username, required, pass, name, expected) in cases {
            let door = door(true, true, username, required);
            let (rest, shown) = door.connect(pass, name.as_deref(), NOW);
            assert_eq!(shown.map(|pass| (pass.is_some(), rest)), expected, "{name:?}");
        }
    }

    #[test]
    fn no_token_stays_in_the_user_name_whether_it_holds_or_not() {
        let door = door(false, false, true, true);
        for token in [token(1_800_000_000), token(1_600_000_000), "b".repeat(63)] {
            let name = format!("{token}@pump-7");
            assert_eq!(door.connect(None, Some(&name), NOW).0, Some("pump-7"), "it would stand in records");
        }
    }
}
