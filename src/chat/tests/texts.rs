use serde_json::json;

use super::*;

/// Texts that nobody can see.
const UNSEEN: [&str; 11] = [
    "\u{200B}",
    "\u{200C}\u{200D}",
    "\u{3164} \u{115F}\u{1160}\u{FFA0}",
    "\u{FEFF}",
    "\u{200E}\u{202E}\u{2066}",
    "\u{2800}\u{2800}",
    "\u{301}\u{302}",
    "\u{AD}\u{2060}\u{180E}",
    "\u{FE0F}\u{E0041}",
    "\u{A0}\u{3000}\u{2028}",
    "\u{FFFE}",
];

#[test]
fn a_text_that_nobody_can_see_is_not_said() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let lin = stage.enter(Format::Lines, "lobby", "lin");
    let hal = stage.enter(Format::Html, "lobby", "hal");
    stage.heard(lin);
    for text in UNSEEN {
        let answer = stage.ask_json(ann, &json!({"type": "say", "text": text, "id": "mark"}).to_string());
        assert_eq!((code(&answer), &answer["id"]), ("text_empty", &json!("mark")), "{text:?}");
        if !text.trim().is_empty() {
            assert_eq!(stage.ask(lin, text), ["The text is empty."], "{text:?}");
        }
        let object = json!({"message": text}).to_string();
        assert_eq!(stage.ask(hal, &object), ["<div class=\"notice\">The text is empty.</div>"], "{text:?}");
    }
    for text in [".", "字", "👩", "\u{200F}א", "e\u{301}", "\u{600}1", "☀\u{FE0F}", "\u{F8FF}"] {
        let answer = stage.ask_json(ann, &json!({"type": "say", "text": text}).to_string());
        assert_eq!(answer["text"], text, "as it was sent");
    }
}

#[test]
fn control_characters_are_refused_in_json_and_become_spaces_elsewhere() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for control in ('\0'..='\u{9F}').filter(|c| c.is_control()) {
        let text = format!("a{control}é");
        let answer = stage.ask_json(ann, &json!({"type": "say", "text": text, "id": "mark"}).to_string());
        match control {
            '\n' | '\t' => assert_eq!(answer["text"], text),
            _ => {
                assert_eq!(code(&answer), "bad_text", "{control:?}");
                assert_eq!((&answer["rule"], &answer["id"]), (&json!("control"), &json!("mark")));
            }
        }
    }
    let lin = stage.enter(Format::Lines, "lobby", "lin");
    let hal = stage.enter(Format::Html, "lobby", "hal");
    stage.heard(ann);
    stage.receive(lin, "a\u{1}\u{9B}b\r\nc\td");
    assert_eq!(stage.heard_json(ann)[0]["text"], "a  b \nc\td");
    stage.receive(hal, "a\u{1}b");
    stage.receive(hal, r#"{"message":"a\u0001b"}"#);
    let texts: Vec<_> = stage.heard_json(ann).into_iter().map(|event| event["text"].clone()).collect();
    assert_eq!(texts, ["a b", "a b"]);
}

#[test]
fn half_a_surrogate_pair_is_refused_with_the_id_of_its_request() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for half in [r"\ud83d", r"\udc00", r"a\ud83d b", r"\ud83d\u0041", r"\uDE00\uD83D", r"\ud83d\ud83d\ude00"]
    {
        for request in [
            format!(r#"{{"type":"say","text":"{half}","id":"mark"}}"#),
            format!(r#"{{"id":"mark","type":"say","room":"{half}","text":"x"}}"#),
            format!(r#"{{"message":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"join","room":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"join","room":"x","since":0,"epoch":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"leave","room":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"who","room":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"nick","name":"{half}","id":"mark"}}"#),
            format!(r#"{{"type":"{half}","id":"mark"}}"#),
        ] {
            let answer = stage.ask_json(ann, &request);
            assert_eq!((code(&answer), &answer["rule"]), ("bad_request", &json!("surrogate")), "{request}");
            assert_eq!(answer["id"], "mark", "{request}");
        }
        // Half a pair in the id itself cannot be sent back.
        let answer = stage.ask_json(ann, &format!(r#"{{"type":"ping","id":"{half}"}}"#));
        assert_eq!((code(&answer), answer.get("id")), ("bad_request", None));
        // Where it is not needed it does no harm.
        for harmless in [
            format!(r#"{{"type":"ping","text":"{half}","x":"{half}"}}"#),
            format!(r#"{{"type":"ping","{half}":1,"x":{{"{half}":["{half}"]}}}}"#),
            format!(r#"{{"type":"ping","since":["{half}"],"name":"{half}"}}"#),
        ] {
            assert_eq!(stage.ask_json(ann, &harmless)["type"], "pong", "{harmless}");
        }
    }
    let hal = stage.enter(Format::Html, "lobby", "hal");
    assert!(stage.ask(hal, r#"{"message":"\ud83d"}"#)[0].contains("surrogate"));
}

#[test]
fn a_text_is_refused_if_escapes_make_it_longer_than_a_frame() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (0, 1));
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let say = |text: &str| json!({"type": "say", "text": text, "id": "mark"}).to_string();
    for (text, is_said) in [
        ("\"".repeat(16 << 10), false),
        ("&".repeat(16 << 10), false),
        ("&".repeat(12_902), true),
        ("&".repeat(12_903), false),
        ("\\".repeat(16 << 10), true),
        ("x\n".repeat(8 << 10), true),
    ] {
        let answer = stage.ask_json(ann, &say(&text));
        assert_eq!(answer["type"] == "message", is_said, "{}", text.len());
        if !is_said {
            assert_eq!((code(&answer), &answer["rule"]), ("text_too_long", &json!("escaped")));
            assert_eq!((&answer["limit"], &answer["id"]), (&json!(64_512), &json!("mark")));
        }
    }
    // A limit above a frame's is what was asked for.
    for max_text in [100_000, 0] {
        let mut stage = Stage::with(|settings| settings.max_text = max_text);
        let ann = stage.enter(Format::Json, "lobby", "ann");
        assert_eq!(stage.ask_json(ann, &say(&"x".repeat(100_000)))["type"], "message");
    }
}

#[test]
fn errors_name_the_rule_and_the_limit() {
    let mut stage = Stage::with(|settings| {
        (settings.max_text, settings.max_rooms_joined, settings.max_rooms) = (8, 1, 2);
        (settings.rate, settings.burst) = (0, 1);
    });
    let ann = stage.enter(Format::Json, "lobby", "ann");
    stage.enter(Format::Json, "attic", "bob");
    for (request, rule, limit) in [
        (json!({"type": "nick", "name": "x".repeat(33)}), json!("characters"), json!(32)),
        (json!({"type": "nick", "name": "字\u{302}\u{302}\u{302}".repeat(32)}), json!("bytes"), json!(256)),
        (json!({"type": "nick", "name": "x\u{316}\u{316}\u{316}\u{316}\u{316}"}), json!("marks"), json!(4)),
        (json!({"type": "nick", "name": " "}), json!("blank"), json!(null)),
        (json!({"type": "nick", "name": "a\u{200B}"}), json!("unprintable"), json!(null)),
        (json!({"type": "nick", "name": "guest-x"}), json!("guest"), json!(null)),
        (json!({"type": "nick", "name": "say:"}), json!("say"), json!(null)),
        (json!({"type": "join", "room": "r".repeat(65)}), json!("bytes"), json!(64)),
        (json!({"type": "join", "room": "a/b"}), json!("slash"), json!(null)),
        (json!({"type": "join", "room": ".."}), json!("dots"), json!(null)),
        (json!({"type": "join", "room": "c"}), json!(null), json!(1)),
        (json!({"type": "say", "text": "123456789"}), json!("bytes"), json!(8)),
        (json!({"type": "say"}), json!("missing"), json!(null)),
        (json!({"type": "say", "text": 5}), json!("type"), json!(null)),
        (json!({"type": "join", "room": "x", "since": 1}), json!("position"), json!(null)),
        (json!({"type": "ping", "id": "i".repeat(65)}), json!("bytes"), json!(64)),
        (json!([]), json!("object"), json!(null)),
        (json!({"type": "say", "text": ""}), json!(null), json!(null)),
    ] {
        let answer = stage.ask_json(ann, &request.to_string());
        code(&answer);
        assert_eq!((&answer["rule"], &answer["limit"]), (&rule, &limit), "{request}: {answer}");
    }
    stage.exit(ann);
    let third = stage.enter_as(entry(Format::Json, "lobby"));
    stage.enter_as(entry(Format::Json, "attic"));
    stage.ask(third, r#"{"type":"leave"}"#);
    stage.enter_as(entry(Format::Json, "cellar"));
    let full = stage.ask_json(third, r#"{"type":"join","room":"new"}"#);
    assert_eq!((code(&full), &full["limit"]), ("rooms_full", &json!(2)));
}
