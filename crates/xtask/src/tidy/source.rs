//! Rust source without what is no code: comments, literals and test modules become blanks, lines stay where they are.

/// The lines of code of a file, with their numbers from 1. Blank ones are left out.
pub(super) fn code_lines(text: &str) -> Vec<(usize, String)> {
    let stripped = strip(text);
    let lines: Vec<&str> = stripped.lines().collect();
    let mut code = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(after) = test_module_end(&lines, at) {
            at = after;
            continue;
        }
        if !lines[at].trim().is_empty() {
            code.push((at + 1, lines[at].to_owned()));
        }
        at += 1;
    }
    code
}

/// True for files that hold nothing but tests, benches or examples.
pub(super) fn is_test_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let test_directory = ["/tests/", "/benches/", "/examples/"].iter().any(|part| path.contains(part));
    path.starts_with("tests/") || test_directory || name == "tests.rs" || name.ends_with("_tests.rs")
}

/// Where a test module that begins at a line ends: the line after it.
fn test_module_end(lines: &[&str], at: usize) -> Option<usize> {
    if lines[at].trim() != "#[cfg(test)]" {
        return None;
    }
    let head = lines.get(at + 1)?.trim();
    if !(head.starts_with("mod ") || head.starts_with("pub")) || !head.contains("mod ") {
        return None;
    }
    if head.ends_with(';') {
        return Some(at + 2);
    }
    let mut depth = 0_usize;
    for (number, line) in lines.iter().enumerate().skip(at + 1) {
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        if depth == 0 {
            return Some(number + 1);
        }
    }
    Some(lines.len())
}

/// Puts blanks in place of comments and of the insides of literals.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(character) = rest.chars().next() {
        let in_word = previous.is_alphanumeric() || previous == '_';
        let skipped = comment_len(rest)
            .or_else(|| if in_word { None } else { raw_string_len(rest) })
            .or_else(|| string_len(rest))
            .or_else(|| if in_word { None } else { char_len(rest) });
        if let Some(len) = skipped {
            let (inside, after) = rest.split_at(len);
            out.extend(inside.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            rest = after;
            previous = ' ';
        } else {
            out.push(character);
            rest = &rest[character.len_utf8()..];
            previous = character;
        }
    }
    out
}

fn comment_len(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(rest.len())
}

fn raw_string_len(rest: &str) -> Option<usize> {
    let after_prefix = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = after_prefix.len() - after_prefix.trim_start_matches('#').len();
    let body = after_prefix[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let head = rest.len() - body.len();
    Some(body.find(&end).map_or(rest.len(), |at| head + at + end.len()))
}

fn string_len(rest: &str) -> Option<usize> {
    rest.starts_with('"').then(|| 1 + closing_len(&rest[1..], b'"'))
}

/// A character literal; a lifetime is none.
fn char_len(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    let closes = body[first.len_utf8()..].starts_with('\'');
    (first == '\\' || closes)
        .then(|| if first == '\\' { 1 + closing_len(body, b'\'') } else { first.len_utf8() + 2 })
}

/// Bytes up to and with the closing quote, escapes seen.
fn closing_len(body: &str, quote: u8) -> usize {
    let mut bytes = body.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> String {
        code_lines(text).into_iter().map(|(_, line)| line.trim().to_owned()).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn comments_and_literals_are_blank() {
        assert_eq!(joined("a(); // b\n/* c /* d */ e */ f();\n"), "a();|f();");
        assert_eq!(joined("let a = \"sled::open \\\" x\"; b();").replace(' ', ""), "leta=;b();");
        assert_eq!(joined("let a = r#\"x \" y\"#; b();").replace(' ', ""), "leta=;b();");
        assert_eq!(
            joined("let q = '\"'; let n = '\\''; f::<'a>();").replace(' ', ""),
            "letq=;letn=;f::<'a>();"
        );
    }

    #[test]
    fn line_numbers_stay() {
        assert_eq!(code_lines("/* a\nb */\nc();\n"), [(3, "c();".to_owned())]);
    }

    #[test]
    fn a_test_module_is_left_out_and_what_follows_it_is_not() {
        let text = "a();\n#[cfg(test)]\nmod tests {\n    fn b() { \"}\"; }\n}\nc();\n";
        assert_eq!(joined(text), "a();|c();");
        assert_eq!(joined("#[cfg(test)]\nmod tests;\nc();\n"), "c();");
    }

    #[test]
    fn files_of_tests_are_told_by_their_path() {
        assert!(is_test_file("crates/storage/src/log/tests.rs"));
        assert!(is_test_file("crates/storage/tests/suite.rs"));
        assert!(is_test_file("tests/src/lib.rs"));
        assert!(!is_test_file("crates/storage/src/log/mod.rs"));
    }
}
