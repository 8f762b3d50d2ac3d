//! Changes of a text: what a slip of the hand, a broken transfer or a careless merge does, and pieces that formats give a meaning to.

use bolero::TypeGenerator;

/// Pieces with a meaning in one of the formats that are read.
const PIECES: [&[u8]; 64] = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b" ",
    b"  ",
    b"\0",
    b"\\",
    b"\"",
    b"'",
    b"`",
    b"#",
    b" # ",
    b":",
    b": ",
    b"=",
    b":=",
    b"?=",
    b"- ",
    b"-",
    b"---\n",
    b"...\n",
    b"%YAML 1.2\n---\n",
    b"&a ",
    b"*a",
    b"!!str ",
    b"!x ",
    b"|\n",
    b">-\n",
    b"|2\n",
    b"<<: *a\n",
    b"? ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[]",
    b",",
    b"null",
    b"~",
    b"true",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"0x1F",
    b"1.10",
    b"@",
    b"@rpo.version",
    b"$(x)",
    b"${x}",
    b"define x\n",
    b"endef\n",
    b"export ",
    b"from_secret",
    b"../",
    b"//",
    b"://",
    b"\xef\xbb\xbf",
    b"\xc3\xa7",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x9a\x80",
    b"\xc2\x85",
    b"\xff",
];

/// One change; places and lengths are fractions of the text.
#[derive(Clone, Debug, TypeGenerator)]
pub enum Edit {
    /// Bits of a byte are turned over.
    Flip {
        /// Where.
        at: u16,
        /// Which.
        bits: u8,
    },
    /// Bytes go.
    Cut {
        /// From where.
        at: u16,
        /// How many.
        length: u8,
    },
    /// The rest goes.
    End {
        /// From where.
        at: u16,
    },
    /// A piece that has a meaning comes.
    Insert {
        /// Where.
        at: u16,
        /// Which.
        piece: u8,
    },
    /// A piece is repeated: nested a little, or far too much.
    Repeat {
        /// Where.
        at: u16,
        /// Which.
        piece: u8,
        /// How often.
        times: u8,
    },
    /// Any bytes come.
    Bytes {
        /// Where.
        at: u16,
        /// Which.
        bytes: [u8; 4],
    },
    /// A line, or what stands for one, is there once more elsewhere.
    Copy {
        /// In which line.
        from: u16,
        /// Where it comes.
        to: u16,
    },
    /// Bytes are there once more elsewhere.
    Duplicate {
        /// From where.
        from: u16,
        /// How many.
        length: u8,
        /// Where they come.
        to: u16,
    },
    /// The rest is that of another text.
    Splice {
        /// From where.
        at: u16,
        /// Which text.
        other: u8,
        /// From where there.
        from: u16,
    },
}

/// A seed after these changes.
#[must_use]
pub fn changed(seeds: &[&[u8]], seed: usize, edits: &[Edit]) -> Vec<u8> {
    let seed_at = |index: usize| seeds.get(index % seeds.len().max(1)).copied().unwrap_or_default();
    let mut text = seed_at(seed).to_vec();
    for edit in edits {
        apply(edit, &mut text, |other| seed_at(usize::from(other)));
    }
    text
}

fn apply<'a>(edit: &Edit, text: &mut Vec<u8>, seed: impl Fn(u8) -> &'a [u8]) {
    match *edit {
        Edit::Flip { at, bits } => {
            let at = place(at, text);
            if let Some(byte) = text.get_mut(at) {
                *byte ^= bits;
            }
        }
        Edit::Cut { at, length } => {
            let start = place(at, text);
            text.drain(start..(start + usize::from(length)).min(text.len()));
        }
        Edit::End { at } => text.truncate(place(at, text)),
        Edit::Insert { at, piece } => put(text, at, piece_of(piece)),
        Edit::Repeat { at, piece, times } => put(text, at, &piece_of(piece).repeat(usize::from(times))),
        Edit::Bytes { at, bytes } => put(text, at, &bytes),
        Edit::Copy { from, to } => {
            let from = place(from, text);
            let start = text[..from].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let length = text[start..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(text.len() - start, |end| end + 1);
            let line = text[start..start + length].to_vec();
            let to = place(to, text);
            let to = text[..to].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text.splice(to..to, line);
        }
        Edit::Duplicate { from, length, to } => {
            let start = place(from, text);
            let part = text[start..(start + usize::from(length)).min(text.len())].to_vec();
            put(text, to, &part);
        }
        Edit::Splice { at, other, from } => {
            text.truncate(place(at, text));
            let other = seed(other);
            text.extend_from_slice(&other[place(from, other)..]);
        }
    }
}

fn put(text: &mut Vec<u8>, at: u16, piece: &[u8]) {
    let at = place(at, text);
    text.splice(at..at, piece.iter().copied());
}

fn piece_of(index: u8) -> &'static [u8] {
    PIECES[usize::from(index) % PIECES.len()]
}

fn place(fraction: u16, text: &[u8]) -> usize {
    ((text.len() + 1) * usize::from(fraction)) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_does_what_its_name_says() {
        let seeds: [&[u8]; 2] = [b"one\ntwo\n", b"12345678"];
        let half = 1 << 15;
        let once = |edit| String::from_utf8_lossy(&changed(&seeds, 0, &[edit])).into_owned();
        assert_eq!(once(Edit::Flip { at: 0, bits: 32 }), "One\ntwo\n");
        assert_eq!(once(Edit::Cut { at: half, length: 3 }), "one\n\n");
        assert_eq!(once(Edit::End { at: half }), "one\n");
        assert_eq!(once(Edit::Insert { at: u16::MAX, piece: 12 }), "one\ntwo\n # ");
        assert_eq!(once(Edit::Copy { from: half, to: 0 }), "two\none\ntwo\n");
        assert_eq!(once(Edit::Duplicate { from: 0, length: 2, to: half }), "one\nontwo\n");
        assert_eq!(once(Edit::Splice { at: half, other: 1, from: half }), "one\n5678");
    }

    #[test]
    fn an_empty_text_can_be_changed_too() {
        let edits =
            [Edit::Flip { at: 9, bits: 1 }, Edit::Cut { at: 9, length: 9 }, Edit::Copy { from: 9, to: 9 }];
        assert_eq!(changed(&[b""], 7, &edits), b"");
        assert_eq!(changed(&[], 7, &edits), b"");
    }
}
