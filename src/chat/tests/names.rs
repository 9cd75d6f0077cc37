use serde_json::json;

use super::*;
use crate::chat::{
    name::{Fault, Names, check_member, check_room},
    refusal::quoted,
};

#[test]
fn names_that_deceive_or_disturb_are_refused() {
    for (name, expected) in [
        ("a", Ok(())),
        ("Ann Lee", Ok(())),
        ("Łukasz 漢字 ñ", Ok(())),
        ("👩\u{200D}💻", Ok(())),
        ("❤\u{FE0F}\u{200D}🔥 x", Ok(())),
        ("guest", Ok(())),
        ("guesthouse-x", Ok(())),
        ("", Err(Fault::Blank)),
        ("a\nb", Err(Fault::Unprintable)),
        ("a\u{7f}", Err(Fault::Unprintable)),
        ("a\u{85}b", Err(Fault::Unprintable)),
        ("\u{202E}nna", Err(Fault::Unprintable)),
        ("\u{2066}nna", Err(Fault::Unprintable)),
        ("a\u{200E}", Err(Fault::Unprintable)),
        ("a\u{061C}", Err(Fault::Unprintable)),
        ("a\u{2028}b", Err(Fault::Unprintable)),
        ("a\u{200B}b", Err(Fault::Unprintable)),
        ("ad\u{200D}min", Err(Fault::Unprintable)),
        ("admin\u{FE0F}", Err(Fault::Unprintable)),
        ("👩\u{200D}", Err(Fault::Unprintable)),
        ("a\u{2060}b", Err(Fault::Unprintable)),
        ("a\u{FEFF}b", Err(Fault::Unprintable)),
        ("a\u{AD}b", Err(Fault::Unprintable)),
        ("\u{3164}", Err(Fault::Unprintable)),
        ("a\u{E0041}", Err(Fault::Unprintable)),
        ("a\u{A0}b", Err(Fault::Spacing)),
        ("a\u{3000}b", Err(Fault::Spacing)),
        ("a  b", Err(Fault::Spacing)),
        ("guest-ab12", Err(Fault::Guest)),
        ("GUEST-", Err(Fault::Guest)),
        ("bob say: hello", Err(Fault::Say)),
        ("bob Say:", Err(Fault::Say)),
    ] {
        assert_eq!(check_member(name, 32), expected, "{name:?}");
    }
}

#[test]
fn a_name_has_as_many_characters_as_the_limit_and_no_more() {
    for (length, expected) in [(31, Ok(())), (32, Ok(())), (33, Err(Fault::LongerThanCharacters(32)))] {
        assert_eq!(check_member(&"é".repeat(length), 32), expected);
    }
    assert_eq!(check_member(&"é".repeat(1000), 0), Ok(()), "0 turns the limit off");
}

#[test]
fn room_names_have_rules_of_their_own() {
    for (name, expected) in [
        ("lobby", Ok(())),
        ("a  b", Ok(())),
        ("общий", Ok(())),
        ("guest-room say: yes?", Ok(())),
        ("", Err(Fault::Blank)),
        (" \t", Err(Fault::Blank)),
        (" a", Err(Fault::Spacing)),
        ("a\u{3000}", Err(Fault::Spacing)),
        ("a/b", Err(Fault::Slash)),
        ("a\0b", Err(Fault::Unprintable)),
        ("a\u{202A}b", Err(Fault::Unprintable)),
        ("a\u{2029}b", Err(Fault::Unprintable)),
    ] {
        assert_eq!(check_room(name, 64), expected, "{name:?}");
    }
    for (length, expected) in [(31, Ok(())), (32, Ok(())), (33, Err(Fault::LongerThanBytes(64)))] {
        assert_eq!(check_room(&"é".repeat(length), 64), expected);
    }
    assert_eq!(check_room(&"é".repeat(1000), 0), Ok(()));
    let stage = Stage::new();
    assert_eq!(stage.hub.check_room("a/b").unwrap_err(), "A room's name must not contain '/'.");
    assert_eq!(stage.hub.check_room("lobby"), Ok(()));
}

#[test]
fn names_are_taken_by_one_whatever_their_case_and_free_when_it_has_gone() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "Änn");
    let bob = stage.enter(Format::Json, "elsewhere", "bob");
    let taken = stage.ask_json(bob, r#"{"type":"nick","name":"äNN"}"#);
    assert_eq!(code(&taken), "name_taken");
    assert_eq!(taken["message"], "The name 'äNN' is taken.");
    let renamed = stage.ask_json(ann, r#"{"type":"nick","name":" ÄNN "}"#);
    assert_eq!(
        (&renamed["name"], &renamed["was"]),
        (&json!("ÄNN"), &json!("Änn")),
        "its own, in another case"
    );
    stage.ask(ann, r#"{"type":"nick","name":"Eve"}"#);
    assert_eq!(stage.ask_json(bob, r#"{"type":"nick","name":"änn"}"#)["name"], "änn");
    stage.exit(ann);
    assert_eq!(stage.ask_json(bob, r#"{"type":"nick","name":"EVE"}"#)["name"], "EVE");
}

#[test]
fn a_name_that_stays_the_same_is_confirmed_to_its_bearer_only() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let guest = stage.enter_as(entry(Format::Json, "lobby"));
    let name = stage.heard_json(guest)[0]["name"].as_str().unwrap().to_owned();
    stage.heard(ann);
    let kept = stage.ask_json(guest, &format!(r#"{{"type":"nick","name":"{name}"}}"#));
    assert_eq!((&kept["name"], &kept["was"], kept.get("room")), (&json!(name), &json!(name), None));
    let other = stage.ask_json(guest, &format!(r#"{{"type":"nick","name":"{}"}}"#, name.to_uppercase()));
    assert_eq!(code(&other), "bad_name");
    assert!(stage.heard(ann).is_empty());
}

#[test]
fn a_change_of_name_is_told_once_in_each_room() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "a", "ann");
    stage.ask(ann, r#"{"type":"join","room":"b"}"#);
    let bob = stage.enter(Format::Json, "b", "bob");
    let lin = stage.enter(Format::Lines, "a", "lin");
    stage.heard(ann);
    stage.receive(ann, r#"{"type":"nick","name":"eve"}"#);
    let uid = stage.heard_json(bob)[0]["uid"].clone();
    let heard = stage.heard_json(ann);
    for (event, room) in heard.iter().zip(["a", "b"]) {
        assert_eq!(*event, json!({"type": "nick", "room": room, "uid": uid, "name": "eve", "was": "ann"}));
    }
    assert_eq!(heard.len(), 2);
    assert_eq!(stage.heard(lin), ["ann is now eve"]);
    stage.ask(ann, r#"{"type":"leave","room":"a"}"#);
    stage.ask(ann, r#"{"type":"leave","room":"b"}"#);
    let alone = stage.ask_json(ann, r#"{"type":"nick","name":"ann"}"#);
    assert_eq!(alone, json!({"type": "nick", "uid": uid, "name": "ann", "was": "eve"}));
}

#[test]
fn a_wish_that_cannot_be_is_answered_between_welcome_and_joined() {
    let mut stage = Stage::new();
    stage.enter(Format::Json, "lobby", "ann");
    for (wish, expected) in [("ANN", "name_taken"), ("guest-ab12", "bad_name"), ("a\tb", "bad_name")] {
        let second = stage.enter_as(Entry { name: Some(wish), ..entry(Format::Json, "lobby") });
        let heard = stage.heard_json(second);
        assert_eq!(types(&heard), ["welcome", "error", "joined"]);
        assert!(heard[0]["name"].as_str().unwrap().starts_with("guest-"));
        assert_eq!(code(&heard[1]), expected);
    }
}

#[test]
fn guests_have_different_names_of_at_least_four_characters() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut names = Names::new(&mut rng);
    let guests: BTreeSet<_> = (0..20_000).map(|_| names.take_guest(&mut rng)).collect();
    assert_eq!(guests.len(), 20_000);
    for name in guests {
        let suffix = name.strip_prefix("guest-").unwrap();
        assert!(suffix.len() >= 4 && suffix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    }
}

#[test]
fn what_is_quoted_back_is_short() {
    assert_eq!(quoted(&"é".repeat(40)), "é".repeat(40));
    assert_eq!(quoted(&"é".repeat(41)), "é".repeat(40) + "…");
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let long = "x".repeat(10_000);
    for request in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#""{long}""#),
        format!("{{{long}"),
        format!(r#"{{"type":"who","room":"{long}"}}"#),
        format!(r#"{{"type":"nick","name":"{long}"}}"#),
    ] {
        code(&stage.ask_json(ann, &request));
    }
}
