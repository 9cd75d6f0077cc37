//! Shell completions and the manual page, generated from the command line's definition.

use crate::config::Cli;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;

/// A script that completes commands and flags in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "throng", &mut script);
    script
}

/// The manual page in roff: of the whole program if `path` is empty, else of the subcommand that it names, as in
/// `bench`, `echo`. `None` if there is no such subcommand.
pub fn page(path: &[String]) -> io::Result<Option<Vec<u8>>> {
    let mut root = Cli::command();
    // This gives subcommands their full names and usages.
    root.build();
    let mut command = &root;
    for name in path {
        let Some(inner) = command.find_subcommand(name) else { return Ok(None) };
        command = inner;
    }
    let mut page = Vec::new();
    let name = full_name(command);
    man(command).title(name.replace(' ', "-")).manual("User Commands").render_title(&mut page)?;
    man(command).render_name_section(&mut page)?;
    man(command).render_synopsis_section(&mut page)?;
    render_body(command, "SH", &mut page)?;
    render_subcommands(command, &mut page)?;
    if command.get_version().is_some() {
        man(command).render_version_section(&mut page)?;
    }
    Ok(Some(page))
}

fn man(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("throng ", env!("CARGO_PKG_VERSION")))
}

fn full_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).to_owned()
}

/// Renders all subcommands and their own subcommands, each under a heading.
fn render_subcommands(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let name = full_name(subcommand).to_uppercase();
        page.extend_from_slice(format!(".SH \"{}\"\n", name.replace('-', "\\-")).as_bytes());
        let mut synopsis = Vec::new();
        man(subcommand).render_synopsis_section(&mut synopsis)?;
        page.extend(with_headings(&synopsis, "SS"));
        render_body(subcommand, "SS", page)?;
        render_subcommands(subcommand, page)?;
    }
    Ok(())
}

/// Description, options and examples.
fn render_body(command: &Command, heading: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let man = man(command);
    let mut body = Vec::new();
    man.render_description_section(&mut body)?;
    man.render_options_section(&mut body)?;
    page.extend(with_headings(&body, heading));
    if let Some(text) = command.get_after_long_help().or(command.get_after_help()) {
        page.extend(after_help(&text.to_string(), heading).into_bytes());
    }
    Ok(())
}

/// The text after the flags. Each of its indented parts, such as "Examples:", becomes a section that is shown as it is
/// written; other lines become notes.
fn after_help(text: &str, heading: &str) -> String {
    let (mut sections, mut notes) = (String::new(), String::new());
    let mut is_within = false;
    for line in text.lines() {
        let is_indented = line.starts_with(' ');
        if is_within && !is_indented {
            sections += ".fi\n";
            is_within = false;
        }
        match line.strip_suffix(':') {
            Some(title) if !is_indented => {
                let title = match title {
                    "Example" => "EXAMPLES".to_owned(),
                    title => title.to_uppercase(),
                };
                sections += &format!(".{heading} {title}\n.nf\n");
                is_within = true;
            }
            _ if is_indented => sections += &format!("{}\n", escaped(line)),
            _ if line.is_empty() => {}
            _ => notes += &format!("{}\n", escaped(line)),
        }
    }
    if is_within {
        sections += ".fi\n";
    }
    if notes.is_empty() { sections } else { format!("{sections}.{heading} NOTES\n{notes}") }
}

/// Text for roff: no escapes or requests, and with quotes and hyphens that a shell accepts when they are copied.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\(rs").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

/// Replaces the heading `SH` of sections: within the page of another command a subcommand has subsections.
fn with_headings(section: &[u8], heading: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(section);
    let line = |line: &str| match line.strip_prefix(".SH ") {
        Some(title) => format!(".{heading} {title}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>().into_bytes()
}

#[cfg(all(test, feature = "bench"))]
mod tests {
    use super::*;

    fn flags(command: &Command) -> Vec<String> {
        let own = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long());
        let own: Vec<String> = own.map(|name| format!("--{name}")).collect();
        own.into_iter().chain(command.get_subcommands().flat_map(flags)).collect()
    }

    fn text(path: &[&str]) -> String {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        String::from_utf8(page(&path).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn completions_of_each_shell_name_every_flag() {
        let flags = flags(&Cli::command());
        assert!(flags.len() > 100, "{flags:?}");
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(completions(shell)).unwrap();
            for flag in &flags {
                // As fish has it: -l json.
                let is_named = script.contains(flag) || script.contains(&format!("-l {}", &flag[2..]));
                assert!(is_named, "{shell}: {flag}");
            }
        }
    }

    #[test]
    fn the_manual_page_has_every_subcommand_and_flag() {
        let page = text(&[]);
        for flag in flags(&Cli::command()) {
            assert!(page.contains(&flag.replace('-', "\\-")), "{flag}");
        }
        for heading in ["THRONG SERVE", "THRONG BENCH", "THRONG BENCH SLOW\\-READERS", "THRONG BENCH COMPARE"]
        {
            assert!(page.contains(&format!(".SH \"{heading}\"\n")), "{heading}");
        }
        assert_eq!(page.lines().filter(|line| line.starts_with(".SH OPTIONS")).count(), 1);
    }

    #[test]
    fn examples_have_a_section_and_keep_their_lines() {
        let page = text(&["bench", "echo"]);
        let (_, examples) = page.split_once("\n.SH EXAMPLES\n.nf\n").expect("there are examples");
        let (examples, rest) = examples.split_once("\n.fi\n").expect("they end");
        assert!(examples.contains("\n    \\-\\-expect \\(aqp99<50ms\\(aq \\-\\-expect loss=0"), "{examples}");
        assert!(examples.contains(" \\-q \\(rs\n"), "{examples}");
        assert!(rest.starts_with(".SH NOTES\nThe load tester runs on Linux only.\n"), "{rest}");
        let whole = text(&[]);
        assert!(whole.contains("\n.SS EXAMPLES\n.nf\n") && whole.contains("\n.SS EXIT STATUS\n.nf\n"));
        assert_eq!(whole.matches("\n.nf\n").count(), whole.matches("\n.fi\n").count());
    }

    #[test]
    fn one_subcommand_has_a_page_of_its_own() {
        let page = text(&["bench", "storm"]);
        assert!(page.contains("\\-\\-jitter") && !page.contains("\\-\\-churners"));
        assert!(page.starts_with(".ie") || page.contains(".TH throng-bench-storm 1"), "{page}");
        assert!(super::page(&["bench".to_owned(), "strom".to_owned()]).unwrap().is_none());
    }
}
