//! Asks for a password on the terminal, without echo.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::{MAX_PASSWORD_BYTES, Password, checked};

/// Once, to compare.
pub(super) fn ask(name: &str) -> io::Result<Password> {
    let mut terminal = Terminal::open()?;
    checked(terminal.ask(&format!("Password of {name}: "))?)
}

/// Twice, as nobody sees what is typed.
pub(super) fn ask_twice(name: &str) -> io::Result<Password> {
    let mut terminal = Terminal::open()?;
    let password = checked(terminal.ask(&format!("New password of {name}: "))?)?;
    let again = terminal.ask("The same again: ")?;
    if *password == *again { Ok(password) } else { Err(io::Error::other("the two passwords are not the same")) }
}

/// The terminal that the program was called from, whatever its standard input is. Puts it back as it was.
struct Terminal {
    device: File,
    before: Termios,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let device = device.map_err(|_| io::Error::other("there is no terminal to ask on; see --stdin"))?;
        let before = tcgetattr(&device)?;
        let mut silent = before.clone();
        // Byte for byte, so that Ctrl-C comes here too and the echo is put back before the end.
        silent.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&device, OptionalActions::Drain, &silent)?;
        Ok(Self { device, before })
    }

    fn ask(&mut self, prompt: &str) -> io::Result<Password> {
        self.device.write_all(prompt.as_bytes())?;
        let mut line = Line::default();
        let typed = loop {
            let mut typed = Zeroizing::new([0; 1]);
            if self.device.read(typed.as_mut_slice())? == 0 {
                break None;
            }
            let [byte] = *typed;
            match line.take(byte) {
                Typed::More => {}
                Typed::Done => break Some(line.0),
                Typed::Cancelled => break None,
            }
        };
        self.device.write_all(b"\n")?;
        typed.ok_or_else(|| io::Error::other("cancelled"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = tcsetattr(&self.device, OptionalActions::Drain, &self.before);
    }
}

/// What is typed so far, of its full size at once: a buffer that grows leaves copies behind.
struct Line(Password);

impl Default for Line {
    fn default() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(MAX_PASSWORD_BYTES + 1)))
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Typed {
    More,
    Done,
    Cancelled,
}

impl Line {
    /// Takes a key as a terminal's line editing would.
    fn take(&mut self, byte: u8) -> Typed {
        const CTRL_C: u8 = 0x03;
        const CTRL_D: u8 = 0x04;
        const BACKSPACE: u8 = 0x08;
        const CTRL_U: u8 = 0x15;
        const DELETE: u8 = 0x7f;
        match byte {
            b'\n' | b'\r' => return Typed::Done,
            CTRL_C => return Typed::Cancelled,
            CTRL_D => return if self.0.is_empty() { Typed::Cancelled } else { Typed::Done },
            CTRL_U => self.0.clear(),
            BACKSPACE | DELETE => {
                // A character, which may be several bytes of UTF-8.
                while self.0.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            _ if self.0.len() <= MAX_PASSWORD_BYTES => self.0.push(byte),
            _ => {}
        }
        Typed::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_as_on_a_terminal() {
        let cases: &[(&[u8], Typed, &[u8])] = &[
            (b"abc\n", Typed::Done, b"abc"),
            (b"abc\r", Typed::Done, b"abc"),
            (b"\n", Typed::Done, b""),
            (b"ab\x7f\x08c\n", Typed::Done, b"c"),
            (b"\x7f\x7fa\n", Typed::Done, b"a"),
            ("aé\x7fb\n".as_bytes(), Typed::Done, b"ab"),
            (b"abc\x15d\n", Typed::Done, b"d"),
            (b"ab\x03", Typed::Cancelled, b"ab"),
            (b"\x04", Typed::Cancelled, b""),
            (b"a\x04", Typed::Done, b"a"),
            (b"a b\t\xff", Typed::More, b"a b\t\xff"),
        ];
        for (keys, end, expected) in cases {
            let mut line = Line::default();
            let typed = keys.iter().map(|key| line.take(*key)).find(|typed| *typed != Typed::More);
            assert_eq!((typed.as_ref().unwrap_or(&Typed::More), line.0.as_slice()), (end, *expected), "{keys:?}");
        }
    }

    #[test]
    fn what_is_typed_is_bounded() {
        let mut line = Line::default();
        for _ in 0..MAX_PASSWORD_BYTES + 10 {
            line.take(b'x');
        }
        assert_eq!(line.0.len(), MAX_PASSWORD_BYTES + 1);
        assert!(checked(line.0).is_err());
    }
}
