use serde_json::json;

use super::*;

/// Somebody comes, says something and goes, so that the room stays with its history.
fn leave_behind(stage: &mut Stage, room: &str, text: &str) {
    let client = stage.enter(Format::Lines, room, "passer-by");
    stage.receive(client, text);
    stage.exit(client);
}

/// The texts a newcomer reads, who goes again.
fn left_in(stage: &mut Stage, room: &str) -> Vec<String> {
    let client = stage.enter_as(entry(Format::Lines, room));
    let heard = stage.heard(client);
    stage.exit(client);
    heard[1..].iter().map(|line| line.rsplit(": ").next().unwrap().to_owned()).collect()
}

#[test]
fn a_room_without_history_ends_with_its_last_member() {
    let mut stage = Stage::with(|settings| settings.max_rooms = 1);
    for room in ["a", "b", "a"] {
        let ann = stage.enter(Format::Lines, room, "ann");
        assert_eq!(stage.dismissal(ann), None);
        stage.exit(ann);
    }
}

#[test]
fn the_room_that_is_empty_longest_makes_place_for_a_new_one() {
    let mut stage = Stage::with(|settings| settings.max_rooms = 3);
    for room in ["a", "b", "c"] {
        leave_behind(&mut stage, room, room);
    }
    assert_eq!(left_in(&mut stage, "a"), ["a"], "which makes b the longest empty");
    leave_behind(&mut stage, "d", "d");
    assert_eq!(left_in(&mut stage, "c"), ["c"]);
    assert_eq!(left_in(&mut stage, "a"), ["a"]);
    assert_eq!(left_in(&mut stage, "d"), ["d"]);
    assert_eq!(left_in(&mut stage, "b"), [""; 0]);
}

#[test]
fn when_no_room_is_empty_a_new_one_is_refused() {
    for limit in [1, 2, 3] {
        let mut stage = Stage::with(|settings| settings.max_rooms = limit);
        let clients: Vec<_> = ["a", "b"].map(|room| stage.enter_as(entry(Format::Lines, room))).into();
        let refused = clients.iter().filter(|&&client| stage.dismissal(client).is_some()).count();
        assert_eq!(refused, 2_usize.saturating_sub(limit), "limit {limit}");
    }
    let sentence =
        |limit| format!("There are {limit} rooms, which is the limit, and none is empty; try again later.");
    let mut stage = Stage::with(|settings| settings.max_rooms = 1);
    let ann = stage.enter(Format::Lines, "a", "ann");
    for (format, expected) in [
        (Format::Lines, vec![sentence(1)]),
        (Format::Html, vec![format!("<div class=\"notice\">{}</div>", sentence(1))]),
        (Format::Raw, vec![]),
    ] {
        let late = stage.enter_as(entry(format, "b"));
        assert_eq!(stage.heard(late), expected);
        assert_eq!(stage.dismissal(late), Some(Dismissal::RoomsFull));
    }
    let json = stage.enter_as(entry(Format::Json, "b"));
    let heard = stage.heard_json(json);
    assert_eq!((types(&heard), code(&heard[1])), (vec!["welcome", "error"], "rooms_full"));
    assert_eq!(code(&stage.ask_json(json, r#"{"type":"join","room":"b"}"#)), "rooms_full");
    assert_eq!(stage.ask(ann, "/join b"), [sentence(1)]);
    stage.exit(ann);
    assert_eq!(stage.ask_json(json, r#"{"type":"join","room":"b"}"#)["type"], "joined");
}

#[test]
fn the_histories_together_are_limited_and_the_longest_empty_go_first() {
    // "passer-by" and "x": 64 + 9 + 1 = 74 bytes a message.
    let mut stage = Stage::with(|settings| settings.history_total = 3 * 74);
    for room in ["a", "b", "c"] {
        leave_behind(&mut stage, room, "x");
    }
    assert_eq!(left_in(&mut stage, "a"), ["x"], "all three fit");
    leave_behind(&mut stage, "d", "x");
    assert_eq!(left_in(&mut stage, "b"), [""; 0]);
    for room in ["a", "c", "d"] {
        assert_eq!(left_in(&mut stage, room), ["x"], "{room}");
    }

    let ann = stage.enter(Format::Lines, "e", "passer-by");
    for text in ["1", "2", "3", "4", "5"] {
        stage.receive(ann, text);
    }
    assert_eq!(left_in(&mut stage, "e"), ["3", "4", "5"], "then the room's own oldest");
    for room in ["a", "c", "d"] {
        assert_eq!(left_in(&mut stage, room), [""; 0], "{room}");
    }
}

#[test]
fn a_room_whose_history_was_taken_counts_on_and_is_not_recovered() {
    let mut stage = Stage::with(|settings| settings.history_total = 74);
    let ann = stage.enter(Format::Json, "a", "passer-by");
    let bob = stage.enter(Format::Json, "b", "passer-be");
    stage.receive(ann, r#"{"message":"1"}"#);
    stage.receive(bob, r#"{"message":"1"}"#);
    let joined = stage.ask_json(bob, r#"{"type":"join","room":"b"}"#);
    assert_eq!(
        (&joined["history"], &joined["offset"]),
        (&json!([]), &json!(1)),
        "a is not empty and keeps its own"
    );
    let again = json!({"type": "join", "room": "b", "since": 0, "epoch": joined["epoch"]});
    assert_eq!(stage.ask_json(bob, &again.to_string())["recovered"], false);
    assert_eq!(stage.ask_json(bob, r#"{"message":"2"}"#)["offset"], 2);
}

#[test]
fn room_ids_are_dense_and_used_again() {
    let mut stage = Stage::new();
    for n in 0..50 {
        let ann = stage.enter(Format::Lines, &format!("room {n}"), "ann");
        stage.exit(ann);
    }
    let rooms: BTreeSet<_> = stage.out.subscribers.keys().map(|channel| channel.room.index()).collect();
    assert_eq!(rooms.into_iter().collect::<Vec<_>>(), [0]);
    assert!(stage.out.subscribers.values().all(BTreeSet::is_empty));
}
