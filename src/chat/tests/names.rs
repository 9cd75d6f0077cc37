use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::{
    characters,
    name::{self, Fault, Keys, Name},
    refusal::quoted,
    taken::Names,
};

/// The form in which a name is shown.
fn parse(name: &str) -> Result<String, Fault> {
    Name::parse(name, 32).map(|name| name.shown.into_owned())
}

/// Whether two names are the same, so that not both can be present.
fn are_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|name| Name::parse(name, 0).expect(name).keys);
    one.each().iter().any(|key| other.each().contains(key))
}

#[test]
fn names_that_deceive_or_disturb_are_refused() {
    for (name, expected) in [
        ("", Fault::Blank),
        (" \u{3000}\t", Fault::Blank),
        ("a\nb", Fault::Unprintable),
        ("a\tb", Fault::Unprintable),
        ("a\u{7f}", Fault::Unprintable),
        ("a\u{85}b", Fault::Unprintable),
        ("\u{202E}nna", Fault::Unprintable),
        ("\u{2066}nna", Fault::Unprintable),
        ("a\u{200E}", Fault::Unprintable),
        ("a\u{061C}", Fault::Unprintable),
        ("a\u{2028}b", Fault::Unprintable),
        ("a\u{200B}b", Fault::Unprintable),
        ("a\u{2060}b", Fault::Unprintable),
        ("a\u{FEFF}b", Fault::Unprintable),
        ("a\u{AD}b", Fault::Unprintable),
        ("a\u{34F}b", Fault::Unprintable),
        ("\u{3164}", Fault::Unprintable),
        ("\u{115F}\u{1160}", Fault::Unprintable),
        ("\u{FFA0}", Fault::Unprintable),
        ("a\u{180E}b", Fault::Unprintable),
        ("\u{2800}", Fault::Unprintable),
        ("a\u{FFF9}b\u{FFFB}", Fault::Unprintable),
        ("a\u{E0041}", Fault::Unprintable),
        ("a\u{E0100}", Fault::Unprintable),
        ("a\u{378}", Fault::Unprintable),
        ("a\u{FFFE}", Fault::Unprintable),
        ("\u{E000}", Fault::Unprintable),
        ("admin\u{FE0F}", Fault::Unprintable),
        ("👩\u{FE0E}", Fault::Unprintable),
        ("\u{1F3F4}\u{E0067}\u{E007F}", Fault::Unprintable),
        ("\u{301}", Fault::Marks),
        ("a \u{301}", Fault::Marks),
        ("guest-ab12", Fault::Guest),
        ("GUEST-", Fault::Guest),
        ("guest\u{2010}ab12", Fault::Guest),
        ("guest\u{2212}ab12", Fault::Guest),
        ("ｇuest-ab12", Fault::Guest),
        ("gu\u{435}st-ab12", Fault::Guest),
        ("bob say: hello", Fault::Say),
        ("bob Say:", Fault::Say),
        ("bob ｓａｙ：", Fault::Say),
        ("bob s\u{430}y\u{589}", Fault::Say),
    ] {
        assert_eq!(parse(name), Err(expected), "{name:?}");
        let room = name::room(name, 64);
        match expected {
            Fault::Guest | Fault::Say => assert!(room.is_ok(), "{name:?}"),
            fault => assert_eq!(room, Err(fault), "{name:?}"),
        }
    }
}

#[test]
fn names_are_shown_composed_and_with_single_spaces() {
    for (name, shown) in [
        ("a", "a"),
        ("Ann Lee", "Ann Lee"),
        (" Ann  Lee\u{a0}", "Ann Lee"),
        ("Ann\u{3000}\u{2003}Lee", "Ann Lee"),
        ("Łukasz 漢字 ñ", "Łukasz 漢字 ñ"),
        ("Zoe\u{301}", "Zoé"),
        ("Ⅳ ｆｕｌｌ ﬁ", "Ⅳ ｆｕｌｌ ﬁ"),
        ("guest", "guest"),
        ("guesthouse-x", "guesthouse-x"),
        ("guest_ab12", "guest_ab12"),
    ] {
        assert_eq!(parse(name).as_deref(), Ok(shown));
        assert_eq!(name::room(name, 64).as_deref(), Ok(shown));
    }
}

#[test]
fn joiners_stand_where_their_scripts_need_them_and_nowhere_else() {
    for name in [
        "می\u{200C}خواهم", // Persian: keeps letters apart
        "کتاب\u{200C}ها",
        "ന\u{D4D}\u{200D}", // Malayalam: an old chillu, at the end of the name
        "രാജന\u{D4D}\u{200D}",
        "ශ\u{DCA}\u{200D}රී",   // Sinhala: rakaransaya
        "ක\u{200D}\u{DCA}ෂ",   // Sinhala: touching letters
        "दर\u{94D}\u{200D}या", // Marathi: eyelash ra
        "क\u{94D}\u{200C}ष",   // Devanagari: a visible virama
        "র\u{200D}\u{9CD}যাম",  // Bengali: ya-phalaa
        "ক\u{9CD}\u{200C}",
        "ರ\u{200D}\u{CCD}ಯ", // Kannada: ra without reph
    ] {
        assert_eq!(parse(name).as_deref(), Ok(name), "{name:?}");
        assert_eq!(name::room(name, 64).as_deref(), Ok(name));
    }
    for name in [
        "ad\u{200D}min",
        "ad\u{200C}min",
        "\u{200C}می",
        "می\u{200C}",
        "د\u{200C}د", // a letter that joins nothing after it
        "می\u{200D}خواهم",
        "क\u{94D}\u{200D}\u{200D}",
        "क\u{200D}",
        "क\u{200C}ख",
    ] {
        assert_eq!(parse(name), Err(Fault::Unprintable), "{name:?}");
    }
}

#[test]
fn emoji_are_those_that_unicode_lists() {
    for name in [
        "1\u{FE0F}\u{20E3}",
        "#\u{FE0F}\u{20E3}",
        "*\u{FE0F}\u{20E3}",
        "™\u{FE0F}",
        "©\u{FE0F}",
        "®\u{FE0F}",
        "ℹ\u{FE0F}",
        "‼\u{FE0F}",
        "⁉\u{FE0F}",
        "〽\u{FE0F}",
        "㊙\u{FE0F}",
        "㊗\u{FE0F}",
        "〰\u{FE0F}",
        "Ⓜ\u{FE0F}",
        "🅰\u{FE0F}",
        "🈂\u{FE0F}",
        "❤\u{FE0F}",
        "☀",
        "👍🏽",
        "✌🏿",
        "👩\u{200D}💻",
        "👨\u{200D}👩\u{200D}👧\u{200D}👦",
        "❤\u{FE0F}\u{200D}🔥 x",
        "🧑🏻\u{200D}❤\u{FE0F}\u{200D}💋\u{200D}🧑🏿",
        "🏳\u{FE0F}\u{200D}🌈",
        "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
        "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
        "🏴\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
        "🇨🇳",
        "🇫🇷 x",
        "🏴\u{200D}☠\u{FE0F}",
        "Ann 👩🏽\u{200D}🚀 Lee",
    ] {
        assert_eq!(parse(name).as_deref(), Ok(name), "{name:?}");
        assert_eq!(name::room(name, 64).as_deref(), Ok(name));
    }
    for name in [
        "a\u{FE0F}",
        "1\u{FE0F}",
        "☀\u{FE0F}\u{FE0F}",
        "👩\u{200D}",
        "👩\u{200D}👩\u{200D}👩\u{200D}👩",
        "👩\u{200D}x",
        "\u{200D}👩",
        "👍\u{FE0F}",
        "漢\u{FE00}",
        "🏴\u{E0078}\u{E0078}\u{E007F}",
    ] {
        assert_eq!(parse(name), Err(Fault::Unprintable), "{name:?}");
    }
}

#[test]
fn a_character_has_as_many_combining_marks_as_scripts_need() {
    let base = |marks| format!("z{}", "\u{316}".repeat(marks));
    for (marks, expected) in [(1, true), (4, true), (5, false), (31, false)] {
        assert_eq!(parse(&base(marks)).is_ok(), expected, "{marks}");
        assert_eq!(name::room(&base(marks), 64).is_ok(), expected, "{marks}");
    }
    assert_eq!(
        parse("a\u{302}\u{301}\u{316}\u{316}\u{316}"),
        Err(Fault::Marks),
        "also those composed with it"
    );
    for name in [
        "Nguye\u{302}\u{303}n Thi\u{323}",
        "ש\u{5C1}\u{5BC}\u{5B8}\u{596}לום",
        "กำนั้น",
        "བསྒྲུབས",
        "क्षत्रिय",
        "မြွေ့",
        "مُحَمَّد",
    ] {
        assert!(parse(name).is_ok(), "{name:?}: {:?}", parse(name));
    }
}

#[test]
fn names_that_read_or_look_the_same_are_the_same() {
    for (one, other) in [
        ("ann", "ANN"),
        ("Zoé", "Zoe\u{301}"),
        ("Νίκος", "ΝΊΚΟΣ"),
        ("ΝΊΚΟΣ", "νίκοσ"),
        ("Straße", "STRASSE"),
        ("straẞe", "strasse"),
        ("ſam", "Sam"),
        ("ſam", "fam"),
        ("İstanbul", "istanbul"),
        ("ısa", "isa"),
        ("ＡＮＮ", "ann"),
        ("ⅳ", "IV"),
        ("Ⅳ", "iv"),
        ("ﬁn", "fin"),
        ("Ann\u{3000}Lee", "ann lee"),
        ("p\u{430}ul", "paul"),
        ("Р\u{430}ul", "paul"),
        ("В\u{43E}b", "bob"),
        ("Αnn", "ann"),
        ("barn", "bam"),
        ("b0b", "bOb"),
        ("b0b", "Bob"),
        ("al1", "all"),
        ("Ivan", "lvan"),
        ("Ivan", "1van"),
        ("a-b", "a\u{2010}b"),
        ("می\u{200C}خواهم", "میخواهم"),
        ("❤\u{FE0F}", "❤"),
        ("™", "TM"),
        ("ﷺ", "صلى الله عليه وسلم"),
    ] {
        assert!(are_same(one, other), "{one} {other}");
    }
    for (one, other) in [
        ("ann", "anna"),
        ("ali", "all"),
        ("Ann Lee", "AnnLee"),
        ("Zoe", "Zoé"),
        ("漢", "汉"),
        ("🇫🇷", "🇩🇪"),
        ("team 2", "team 3"),
        ("👩", "👨"),
    ] {
        assert!(!are_same(one, other), "{one} {other}");
    }
}

#[test]
fn a_name_has_as_many_characters_as_the_limit_and_no_more() {
    let woman = "👩🏽\u{200D}🚀";
    for character in ["x", "é", "e\u{301}", "字", "क्षि", woman] {
        for length in [7, 8, 9] {
            let name = character.repeat(length);
            let expected = match length {
                9 => Some(Fault::LongerThanCharacters(8)),
                _ if characters::tidy(&name).len() > 64 => Some(Fault::LongerThanBytes(64)),
                _ => None,
            };
            assert_eq!(Name::parse(&name, 8).err(), expected, "{name}");
        }
    }
    assert_eq!(Name::parse(&woman.repeat(4), 8).err(), None);
    assert_eq!(Name::parse(&"é".repeat(1000), 0).err(), None, "0 turns the limit off");
    assert_eq!(Name::parse(&"é".repeat(100), usize::MAX).err(), None);
}

#[test]
fn room_names_have_rules_of_their_own() {
    for (name, expected) in [
        ("lobby", Ok("lobby")),
        (" a  b ", Ok("a b")),
        ("общий", Ok("общий")),
        ("cafe\u{301}", Ok("café")),
        ("guest-room say: yes?", Ok("guest-room say: yes?")),
        ("...", Ok("...")),
        ("a/b", Err(Fault::Slash)),
        (".", Err(Fault::Dots)),
        (" .. ", Err(Fault::Dots)),
        ("lobby\u{200b}", Err(Fault::Unprintable)),
        ("a\0b", Err(Fault::Unprintable)),
        ("a\u{202A}b", Err(Fault::Unprintable)),
        ("a\u{2029}b", Err(Fault::Unprintable)),
    ] {
        assert_eq!(name::room(name, 64).as_deref(), expected.as_ref().copied(), "{name:?}");
    }
    for (length, expected) in [(31, None), (32, None), (33, Some(Fault::LongerThanBytes(64)))] {
        assert_eq!(name::room(&"é".repeat(length), 64).err(), expected);
        assert_eq!(name::room(&"e\u{301}".repeat(length), 64).err(), expected, "counted is what is kept");
    }
    assert_eq!(name::room(&"é".repeat(1000), 0).err(), None);
    let stage = Stage::new();
    assert_eq!(stage.hub.check_room("a/b").unwrap_err(), "A room's name must not contain '/'.");
    assert_eq!(stage.hub.check_room("lobby"), Ok(()));
}

#[test]
fn a_room_is_the_same_in_every_normal_form_of_its_name() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "café", "ann");
    let bob = stage.enter(Format::Lines, "cafe\u{301} ", "bob");
    assert_eq!(stage.heard_json(ann)[0]["name"], "bob");
    for request in ["say", "who", "join"] {
        let answer = json!({"type": request, "room": "cafe\u{301}", "text": "hi"});
        assert_eq!(stage.ask_json(ann, &answer.to_string())["room"], "café");
    }
    stage.heard(bob);
    assert_eq!(stage.ask(bob, "/join\u{3000}cafe\u{301}"), ["You are in café already."]);
    let left = stage.ask_json(ann, &json!({"type": "leave", "room": "cafe\u{301}"}).to_string());
    assert_eq!(left, json!({"type": "left", "room": "café"}));
}

/// Characters of many kinds: letters that look alike, marks, joiners, emoji parts, invisible ones, and any.
fn character() -> impl Strategy<Value = char> {
    let chosen = "aAeEiIlLoO01mrnsSſßςσΣıİ|- \u{a0}\u{3000}\u{301}\u{302}\u{307}\u{323}\u{345}\u{5b8}\u{94d}कष\u{200d}\u{200c}\
        \u{fe0f}\u{fe0e}\u{20e3}\u{200b}\u{ad}\u{3164}\u{2800}❤👩💻🏽🏴\u{e0067}\u{e007f}ﬁＡаеорВمیدﷺ한\u{1112}\u{1161}";
    prop_oneof![
        6 => prop::sample::select(chosen.chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ]
}

fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..12).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_name_that_is_shown_is_accepted_and_shown_the_same(wish in any_name()) {
        if let Ok(name) = Name::parse(&wish, 32) {
            let again = Name::parse(&name.shown, 32).expect("it is shown");
            prop_assert_eq!(&again.shown, &name.shown);
            prop_assert_eq!(again.keys, name.keys);
        }
        if let Ok(room) = name::room(&wish, 64) {
            let again = name::room(&room, 64).expect("it is shown");
            prop_assert_eq!(&again, &room);
        }
    }

    #[test]
    fn an_accepted_name_shows_each_of_its_characters(wish in any_name()) {
        let Ok(name) = Name::parse(&wish, 0) else { return Ok(()) };
        prop_assert!(name.shown.chars().any(characters::is_visible));
        let joins = ['\u{200c}', '\u{200d}', '\u{fe0f}'];
        for (index, c) in name.shown.chars().enumerate() {
            let is_tag = ('\u{e0020}'..='\u{e007f}').contains(&c);
            let is_mark = unicode_normalization::char::is_combining_mark(c);
            let is_seen = characters::is_visible(c) || c == ' ' || is_mark || is_tag && name.shown.contains('🏴');
            prop_assert!(is_seen || joins.contains(&c) && index > 0, "{:?} in {:?}", c, name.shown);
            prop_assert!(!c.is_control());
        }
    }

    #[test]
    fn nobody_takes_a_name_that_is_the_same_as_a_present_one(wishes in prop::collection::vec(any_name(), 0..30)) {
        let mut names = Names::new(&mut StdRng::seed_from_u64(1));
        let mut present: Vec<(String, Keys)> = Vec::new();
        for (turn, wish) in wishes.iter().enumerate() {
            let Ok(name) = Name::parse(wish, 32) else { continue };
            let shares = |other: &Keys| other.each().iter().any(|key| name.keys.each().contains(key));
            let is_free = !present.iter().any(|(_, other)| shares(other));
            prop_assert_eq!(names.take(&name), is_free, "{:?}", wish);
            if is_free {
                present.push((name.shown.clone().into_owned(), name.keys));
            }
            // Now and then somebody leaves, and the name is free again.
            if turn % 5 == 4 && !present.is_empty() {
                let (gone, keys) = present.remove(turn % present.len());
                names.release(&gone);
                prop_assert_eq!(&Keys::of(&gone), &keys);
            }
        }
    }
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

#[test]
fn a_guest_that_reconnects_has_its_name_again_unless_somebody_else_has_it() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut names = Names::new(&mut rng);
    let given = names.take_guest(&mut rng);
    assert_eq!(names.take_guest_again(&given), None);
    names.release(&given);
    assert_eq!(names.take_guest_again(&given), Some(given.clone()));
    assert_eq!(names.take_guest_again(&given), None);
    for never_given in
        ["guest-", "guest-abc", "guest-abcdefghj", "guest-ab1c", "guest-ABCD", "Guest-abcd", "abcd"]
    {
        assert_eq!(names.take_guest_again(never_given), None, "{never_given}");
    }
}
