use super::*;

fn fragment(name: &str, text: &str) -> String {
    format!(
        "<div class=\"message\"><time datetime=\"2026-11-21T01:23:45.678Z\">01:23:45</time> \
         <b class=\"name\">{name}</b> <span class=\"text\">{text}</span></div>"
    )
}

#[test]
fn text_and_objects_with_a_message_are_said_as_fragments() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Html, "lobby", "ann");
    for (sent, said) in [
        ("hi", "hi"),
        (r#"{"message":"h\u0069","uid":"forged"}"#, "hi"),
        (r#" {"message":"hi"}"#, "hi"),
        (r#"{"message":5}"#, "{&quot;message&quot;:5}"),
        (r#"{"other":"hi"}"#, "{&quot;other&quot;:&quot;hi&quot;}"),
        (r#"{"message":"hi""#, "{&quot;message&quot;:&quot;hi&quot;"),
        ("{:", "{:"),
        ("/who", "/who"),
    ] {
        assert_eq!(stage.ask(ann, sent), [fragment("ann", said)]);
    }
}

#[test]
fn everything_members_wrote_is_escaped() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Html, "lobby", "<i>'ann'");
    let said = stage.ask(ann, r#"</span><script>alert("é" & 'b')</script>&amp;"#);
    let text = "&lt;/span&gt;&lt;script&gt;alert(&quot;é&quot; &amp; &#39;b&#39;)&lt;/script&gt;&amp;amp;";
    assert_eq!(said, [fragment("&lt;i&gt;&#39;ann&#39;", text)]);
    let second = stage.enter_as(Entry { name: Some("<I>'ann'"), ..entry(Format::Html, "lobby") });
    let heard = stage.heard(second);
    assert_eq!(
        heard[0], "<div class=\"notice\">The name &#39;&lt;I&gt;&#39;ann&#39;&#39; is taken.</div>",
        "errors quote what was sent"
    );
    assert_eq!(heard[1..], said, "history is replayed as it was heard");
}

#[test]
fn the_uid_comes_first_for_those_who_asked_for_it() {
    let mut stage = Stage::new();
    let watcher = stage.enter(Format::Json, "lobby", "watcher");
    let ann = Entry { greet_with_uid: true, name: Some(""), ..entry(Format::Html, "lobby") };
    let ann = stage.enter_as(ann);
    let heard = stage.heard(ann);
    assert_eq!(heard[0], stage.heard_json(watcher)[0]["uid"].as_str().unwrap());
    assert_eq!(heard[1..], ["<div class=\"notice\">A name must not be blank.</div>"]);
}

#[test]
fn comings_and_goings_are_not_told() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Html, "lobby", "ann");
    let bob = stage.enter(Format::Lines, "lobby", "bob");
    stage.receive(bob, "/nick rob");
    stage.exit(bob);
    assert!(stage.heard(ann).is_empty());
}

#[test]
fn an_empty_message_is_a_heartbeat_and_an_empty_text_is_refused() {
    let mut stage = Stage::with(|settings| settings.max_text = 4);
    let ann = stage.enter(Format::Html, "lobby", "ann");
    assert!(stage.ask(ann, "").is_empty() && stage.ask(ann, " \n").is_empty());
    assert_eq!(stage.ask(ann, r#"{"message":" "}"#), ["<div class=\"notice\">The text is empty.</div>"]);
    assert_eq!(stage.ask(ann, "abc"), [fragment("ann", "abc")]);
    assert_eq!(stage.ask(ann, r#"{"message":"abcd"}"#), [fragment("ann", "abcd")]);
    let refused = "<div class=\"notice\">The text has 5 bytes; the limit is 4. It was not said.</div>";
    assert_eq!(stage.ask(ann, "abcde"), [refused]);
}
