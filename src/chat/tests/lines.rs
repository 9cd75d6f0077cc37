use super::*;

fn lobby() -> (Stage, ClientId, ClientId) {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    let bob = stage.enter(Format::Lines, "lobby", "bob");
    stage.heard(ann);
    (stage, ann, bob)
}

#[test]
fn a_newcomer_reads_its_welcome_then_the_history() {
    let (mut stage, ann, _) = lobby();
    stage.receive(ann, "one\n");
    stage.receive(ann, "two\r\n");
    stage.heard(ann);
    stage.later(Duration::from_secs(60));
    let cy = stage.enter_as(Entry { name: Some("cy"), ..entry(Format::Lines, "lobby") });
    assert_eq!(stage.heard(cy), ["Welcome cy !", "01:23:45 ann say: one", "01:23:45 ann say: two"]);
    assert_eq!(stage.heard(ann), ["Welcome cy !"]);
    stage.receive(cy, "three");
    assert_eq!(stage.heard(ann), ["01:24:45 cy say: three"]);
    assert_eq!(stage.heard(cy), ["01:24:45 cy say: three"]);
}

#[test]
fn times_are_those_of_the_servers_zone() {
    let mut stage =
        Stage::with(|settings| settings.time_zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(-5)));
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    assert_eq!(stage.ask(ann, "hi"), ["20:23:45 ann say: hi"]);
}

#[test]
fn an_empty_line_is_a_heartbeat_and_is_not_broadcast() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (1, 1));
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    for heartbeat in ["", "\n", "\r\n", "   ", "\t\n"] {
        assert!(stage.ask(ann, heartbeat).is_empty(), "{heartbeat:?}");
    }
    assert_eq!(stage.ask(ann, "x"), ["01:23:45 ann say: x"], "heartbeats do not count for the rate");
}

#[test]
fn only_one_line_ending_is_taken_off() {
    let (mut stage, ann, _) = lobby();
    for (sent, said) in [("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x "), ("x\r", "x "), (" x ", " x ")] {
        assert_eq!(stage.ask(ann, sent), [format!("01:23:45 ann say: {said}")]);
    }
}

#[test]
fn quitting_says_logout_to_all_and_dismisses() {
    for quit in ["quit", "/quit", "quit\r\n", "/quit \n"] {
        let (mut stage, ann, bob) = lobby();
        let cy = stage.enter(Format::Json, "lobby", "cy");
        stage.heard(ann);
        assert_eq!(stage.ask(bob, quit), ["01:23:45 bob say: Logout"]);
        assert_eq!(stage.dismissal(bob), Some(Dismissal::Logout));
        stage.exit(bob);
        assert_eq!(stage.heard(ann), ["01:23:45 bob say: Logout"]);
        assert_eq!(types(&stage.heard_json(cy)), ["leave"]);
    }
    let (mut stage, ann, _) = lobby();
    assert_eq!(stage.ask(ann, "quit it"), ["01:23:45 ann say: quit it"]);
}

#[test]
fn commands_do_what_help_says() {
    let (mut stage, ann, bob) = lobby();
    assert_eq!(stage.ask(ann, "/who"), ["2 in lobby: ann, bob"]);
    assert_eq!(stage.ask(ann, "/nick  Ann Lee \n"), ["ann is now Ann Lee"]);
    assert_eq!(stage.heard(bob), ["ann is now Ann Lee"]);
    assert_eq!(stage.ask(bob, "/nick ann lee"), ["The name 'ann lee' is taken."]);
    assert_eq!(stage.ask(bob, "/nick"), ["A name must not be blank."]);
    assert_eq!(stage.ask(bob, "//who is there"), ["01:23:45 bob say: /who is there"]);
    assert_eq!(stage.ask(bob, "/dance \x1b"), ["Unknown command /dance. /help lists the commands."]);
    assert_eq!(stage.ask(bob, "/"), ["Unknown command /. /help lists the commands."]);
    let help = stage.ask(bob, "/help");
    for command in ["/nick", "/join", "/who", "/quit", "//"] {
        assert!(help.iter().any(|line| line.starts_with(command)), "{command}");
    }
    assert_eq!(help.len(), super::super::lines::HELP.len());
}

#[test]
fn joining_moves_from_one_room_to_the_other() {
    let (mut stage, ann, bob) = lobby();
    let cy = stage.enter(Format::Lines, "attic", "cy");
    stage.receive(cy, "dusty");
    stage.heard(cy);
    assert_eq!(stage.ask(bob, "/join attic"), ["Welcome bob !", "01:23:45 cy say: dusty"]);
    assert_eq!(stage.heard(ann), ["01:23:45 bob say: Logout"]);
    assert_eq!(stage.heard(cy), ["Welcome bob !"]);
    stage.receive(ann, "below");
    assert!(stage.heard(bob).is_empty(), "it no longer hears the lobby");
    assert_eq!(stage.ask(bob, "above"), ["01:23:45 bob say: above"]);
    assert_eq!(stage.ask(bob, "/join attic"), ["You are in attic already."]);
    assert_eq!(stage.ask(bob, "/join a/b"), ["A room's name must not contain '/'."]);
    assert_eq!(stage.ask(bob, "/join"), ["A room's name must not be blank."]);
    assert_eq!(stage.ask(bob, "/who"), ["2 in attic: cy, bob"], "a refused move leaves it where it is");
}

#[test]
fn nobody_can_forge_a_line_or_steer_a_terminal() {
    let (mut stage, ann, bob) = lobby();
    for (sent, read) in [
        ("a\n01:23:45 bob say: I resign", "a 01:23:45 bob say: I resign"),
        ("a\r\x1b[2Kb", "a  [2Kb"),
        ("\u{b}\u{c}\u{85}\u{9b}\u{2028}\u{2029}\u{7f}\0x", "        x"),
        ("tab\tstays", "tab\tstays"),
    ] {
        stage.receive(ann, sent);
        assert_eq!(stage.heard(bob), [format!("01:23:45 ann say: {read}")]);
    }
    let cy = stage.enter_as(entry(Format::Lines, "lobby"));
    for line in stage.heard(cy) {
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
    let answer = stage.ask(ann, "/join a\x1b[2J");
    assert_eq!(answer, ["A room's name must not contain control, invisible or direction characters."]);
    assert_eq!(stage.ask(ann, "/\x1b[2J"), ["Unknown command / [2J. /help lists the commands."]);
}

#[test]
fn a_text_over_the_limit_is_told_in_a_line() {
    let mut stage = Stage::with(|settings| settings.max_text = 4);
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    assert_eq!(stage.ask(ann, "abc"), ["01:23:45 ann say: abc"]);
    assert_eq!(stage.ask(ann, "abé\n"), ["01:23:45 ann say: abé"]);
    assert_eq!(stage.ask(ann, "//abc"), ["01:23:45 ann say: /abc"], "counted is what is said");
    assert_eq!(stage.ask(ann, "abcé"), ["The text has 5 bytes; the limit is 4. It was not said."]);
}

#[test]
fn a_wish_for_a_name_that_cannot_be_is_answered_after_the_welcome() {
    let (mut stage, _, _) = lobby();
    let second = stage.enter_as(Entry { name: Some("ANN"), ..entry(Format::Lines, "lobby") });
    let heard = stage.heard(second);
    assert!(heard[0].starts_with("Welcome guest-"), "{heard:?}");
    assert_eq!(heard[1..], ["The name 'ANN' is taken."]);
}
