use serde_json::json;

use super::*;

/// A member of a room with a speaker, which then says `count` things that the member does not hear.
fn behind(format: Format, count: usize) -> (Stage, ClientId, ClientId) {
    let mut stage = Stage::with(|settings| settings.presence_limit = 3);
    let speaker = stage.enter(Format::Json, "lobby", "speaker");
    let late = stage.enter(format, "lobby", "late");
    say(&mut stage, speaker, 2);
    stage.lag(late);
    say(&mut stage, speaker, count);
    stage.heard(speaker);
    (stage, speaker, late)
}

fn say(stage: &mut Stage, speaker: ClientId, count: usize) {
    for _ in 0..count {
        stage.receive(speaker, r#"{"message":"x"}"#);
    }
}

#[test]
fn what_was_left_out_is_told_where_it_is_missing_in_the_clients_format() {
    let notice = |count: &str| format!("… {count} left out: you read too slowly.");
    for (count, told) in [(1, "1 message was"), (2, "2 messages were"), (12, "12 messages were")] {
        let (mut stage, speaker, late) = behind(Format::Json, count);
        stage.catch_up(late);
        say(&mut stage, speaker, 1);
        let heard = stage.heard_json(late);
        assert_eq!(types(&heard), ["message", "message", "gap", "who", "message"]);
        assert_eq!(heard[2], json!({"type": "gap", "room": "lobby", "from": 3, "to": count + 2}));
        assert_eq!(heard[4]["offset"], count + 3);
        assert!(stage.heard(speaker).len() == 1, "nobody else is told");

        let (mut stage, speaker, late) = behind(Format::Lines, count);
        stage.catch_up(late);
        say(&mut stage, speaker, 1);
        let line = "01:23:45 speaker say: x".to_owned();
        assert_eq!(stage.heard(late), [line.clone(), line.clone(), notice(told), line]);

        let (mut stage, _, late) = behind(Format::Html, count);
        stage.catch_up(late);
        let heard = stage.heard(late);
        assert_eq!(heard[2..], [format!("<div class=\"notice\">{}</div>", notice(told))]);
    }
    let (mut stage, _, late) = behind(Format::Raw, 1);
    stage.catch_up(late);
    assert!(stage.heard(late).is_empty());
}

#[test]
fn who_missed_comings_and_goings_is_told_who_is_there_and_of_no_gap() {
    let (mut stage, speaker, late) = behind(Format::Json, 0);
    stage.enter(Format::Json, "lobby", "new");
    stage.receive(speaker, r#"{"type":"nick","name":"other"}"#);
    stage.heard(late);
    stage.catch_up(late);
    let heard = stage.heard_json(late);
    assert_eq!(types(&heard), ["who"]);
    let names: Vec<_> = (0..3).map(|n| heard[0]["members"][n]["name"].as_str().unwrap()).collect();
    assert_eq!((&heard[0]["online"], names), (&json!(3), vec!["other", "late", "new"]));

    stage.lag(late);
    stage.enter(Format::Json, "lobby", "fourth");
    stage.catch_up(late);
    assert_eq!(stage.heard_json(late), [json!({"type": "online", "room": "lobby", "online": 4})]);

    for format in [Format::Lines, Format::Html] {
        let (mut stage, _, late) = behind(format, 0);
        stage.enter(Format::Json, "lobby", "new");
        stage.heard(late);
        stage.catch_up(late);
        assert!(stage.heard(late).is_empty());
    }
}

#[test]
fn each_room_has_a_gap_of_its_own_and_none_that_was_quiet() {
    let (mut stage, speaker, late) = behind(Format::Json, 0);
    for room in ["tea", "attic"] {
        stage.receive(speaker, &format!(r#"{{"type":"join","room":"{room}"}}"#));
        stage.receive(late, &format!(r#"{{"type":"join","room":"{room}"}}"#));
    }
    stage.heard(late);
    for room in ["tea", "lobby", "tea"] {
        stage.receive(speaker, &format!(r#"{{"type":"say","room":"{room}","text":"x"}}"#));
    }
    stage.catch_up(late);
    let mut gaps = stage.heard_json(late);
    gaps.retain(|event| event["type"] == "gap");
    gaps.sort_by_key(|gap| gap["room"].to_string());
    assert_eq!(
        gaps,
        [
            json!({"type": "gap", "room": "lobby", "from": 3, "to": 3}),
            json!({"type": "gap", "room": "tea", "from": 1, "to": 2}),
        ]
    );
}

#[test]
fn who_joins_again_where_it_was_gets_what_it_missed_and_no_gap_for_it() {
    let (mut stage, speaker, late) = behind(Format::Json, 3);
    let joined = stage.ask_json(late, r#"{"type":"join","room":"lobby"}"#);
    let epoch = joined["epoch"].as_str().unwrap();
    let again = json!({"type": "join", "room": "lobby", "since": 2, "epoch": epoch}).to_string();
    let joined = stage.ask_json(late, &again);
    assert_eq!(joined["recovered"], true);
    assert_eq!((joined["history"].as_array().unwrap().len(), &joined["offset"]), (3, &json!(5)));
    stage.catch_up(late);
    assert!(stage.heard(late).is_empty());
    stage.lag(late);
    stage.ask_json(late, &again);
    say(&mut stage, speaker, 1);
    stage.catch_up(late);
    assert_eq!(stage.heard_json(late)[0], json!({"type": "gap", "room": "lobby", "from": 6, "to": 6}));
}

#[test]
fn who_has_left_is_told_nothing() {
    let (mut stage, speaker, late) = behind(Format::Json, 3);
    stage.hub.catch_up(late, super::super::RoomId::at(99), 0, &mut stage.out);
    stage.receive(late, r#"{"type":"leave"}"#);
    stage.heard(late);
    stage.catch_up(late);
    assert!(stage.heard(late).is_empty());
    let room = stage.out.subscribers.keys().next().unwrap().room;
    stage.hub.catch_up(late, room, 0, &mut stage.out);
    stage.exit(late);
    stage.hub.catch_up(late, room, 0, &mut stage.out);
    assert!(stage.heard(late).is_empty() && stage.heard(speaker).len() == 1);
}
