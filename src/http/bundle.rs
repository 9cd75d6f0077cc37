//! Makes one script of ECMAScript modules, so that a page needs one request.
//!
//! Each module becomes a function that returns what it exports, in the order in which the modules need each other. Only
//! what can be read line by line is supported: `import { a, b } from './module.js';` (over several lines, too) and
//! declarations that begin with `export`, both at the start of a line. Anything else is an error, never a wrong script.

use std::fmt::Write;

/// The script of the module `entry` and of all that it imports. `source` returns the text of a module.
pub(super) fn bundle<'s>(entry: &str, source: impl Fn(&str) -> Option<&'s str>) -> Result<String, String> {
    let mut bundle = Bundle { source, under_way: Vec::new(), modules: Vec::new(), script: String::new() };
    bundle.script.push_str("const $modules = {};\n");
    bundle.add(entry)?;
    Ok(bundle.script)
}

struct Bundle<F> {
    source: F,
    /// The modules that import the one that is being added.
    under_way: Vec<String>,
    /// Those that are in the script.
    modules: Vec<Module>,
    script: String,
}

struct Module {
    name: String,
    exports: Vec<String>,
}

impl<'s, F: Fn(&str) -> Option<&'s str>> Bundle<F> {
    fn add(&mut self, name: &str) -> Result<(), String> {
        if self.modules.iter().any(|module| module.name == name) {
            return Ok(());
        }
        if self.under_way.iter().any(|importer| importer == name) {
            return Err(format!("{name}: imports itself by way of {}", self.under_way.join(", ")));
        }
        let text = (self.source)(name).ok_or_else(|| format!("{name}: there is no such module"))?;
        self.under_way.push(name.to_owned());
        let mut exports = Vec::new();
        let mut body = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if is_comment(line, &mut lines) {
                continue;
            }
            if is_statement(line, "import") {
                let mut statement = line.to_owned();
                while !statement.contains(';') {
                    let next = lines.next().ok_or_else(|| format!("{name}: an import has no end"))?;
                    statement = statement + " " + next;
                }
                self.import(&statement, &mut body).map_err(|why| format!("{name}: {why}: {statement}"))?;
            } else if is_statement(line, "export") {
                let declaration = line["export".len()..].trim_start();
                exports
                    .push(declared(declaration).map_err(|why| format!("{name}: {why}: {line}"))?.to_owned());
                body += declaration;
                body.push('\n');
            } else if let Some(why) = unsupported(line) {
                return Err(format!("{name}: {why}: {line}"));
            } else {
                body += line;
                body.push('\n');
            }
        }
        self.under_way.pop();
        let _ = writeln!(
            self.script,
            "$modules['{name}'] = (() => {{\n{body}return {{ {} }};\n}})();",
            exports.join(", ")
        );
        self.modules.push(Module { name: name.to_owned(), exports });
        Ok(())
    }

    /// Adds the module that a statement imports, and declares in `body` what it imports.
    fn import(&mut self, statement: &str, body: &mut String) -> Result<(), String> {
        let (names, module) = imported(statement).ok_or("this kind of import is not supported")?;
        self.add(module)?;
        let exports = self.modules.iter().find(|known| known.name == module).map(|known| &known.exports);
        let is_exported =
            |name: &&&str| exports.is_some_and(|exports| exports.iter().any(|known| known == **name));
        if let Some(missing) = names.iter().find(|name| !is_exported(name)) {
            return Err(format!("{module} does not export {missing}"));
        }
        let _ = writeln!(body, "const {{ {} }} = $modules['{module}'];", names.join(", "));
        Ok(())
    }
}

/// The names in `import { a, b } from './module.js';`, and the module's.
fn imported(statement: &str) -> Option<(Vec<&str>, &str)> {
    let (names, from) = statement.strip_prefix("import")?.trim_start().strip_prefix('{')?.split_once('}')?;
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let quoted = from.trim_start().strip_prefix("from")?.trim().strip_suffix(';')?.trim_end();
    let path = quoted.strip_prefix('\'').and_then(|path| path.strip_suffix('\''));
    let path = path.or_else(|| quoted.strip_prefix('"')?.strip_suffix('"'))?;
    let module = path.strip_prefix("./").filter(|name| !name.contains(['/', '\'', '"', '\\']))?;
    names.iter().all(|name| is_identifier(name)).then_some((names, module))
}

/// The name that a declaration declares.
fn declared(declaration: &str) -> Result<&str, String> {
    let (kind, rest) = declaration
        .strip_prefix("async ")
        .unwrap_or(declaration)
        .split_once(' ')
        .ok_or("this kind of export is not supported")?;
    let rest = rest.trim_start();
    let name = rest.split(|character| !is_of_identifier(character)).next().unwrap_or_default();
    let after = rest[name.len()..].trim_start();
    let is_supported = match kind {
        "class" => after.starts_with('{') || after.starts_with("extends "),
        "function" => after.starts_with('('),
        // Of several in one declaration, only the first would be found.
        "const" => after.starts_with('='),
        "let" | "var" => {
            return Err("an export that can change is not supported; export a function".to_owned());
        }
        _ => false,
    };
    if is_supported && is_identifier(name) {
        Ok(name)
    } else {
        Err("this kind of export is not supported".to_owned())
    }
}

/// Why a line that is neither an import nor an export cannot be in a bundle.
fn unsupported(line: &str) -> Option<&'static str> {
    let is_indented = line.starts_with([' ', '\t']);
    let code = without_comments(line);
    let start = code.trim_start();
    if start.contains("import(") || start.contains("import.meta") {
        Some("there is no module to import from once it is bundled")
    } else if is_indented && (is_statement(start, "import") || is_statement(start, "export")) {
        Some("imports and exports must not be indented")
    } else if start.contains("$modules") {
        Some("the name is used by the bundle")
    } else if !is_indented && start.contains("await ") && !start.contains("async") {
        Some("await outside a function is not supported")
    } else {
        None
    }
}

/// Whether a comment begins with this line and nothing else is on its lines, which are taken from `following`. A fifth of
/// the compressed page would be comments.
fn is_comment<'s>(line: &str, following: &mut (impl Iterator<Item = &'s str> + Clone)) -> bool {
    let start = line.trim();
    if !start.starts_with("/*") {
        return start.starts_with("//");
    }
    if start.contains("*/") {
        return start.ends_with("*/") && start.matches("*/").count() == 1;
    }
    let mut rest = following.clone();
    let is_alone = rest.find(|line| line.contains("*/")).is_some_and(|line| line.trim_end().ends_with("*/"));
    if is_alone {
        *following = rest;
    }
    is_alone
}

/// A line without the comments in it, which may import types.
fn without_comments(line: &str) -> String {
    let mut code = String::new();
    let mut rest = line;
    while let Some((before, comment)) = rest.split_once("/*") {
        code += before;
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code += rest.split_once("// ").map_or(rest, |(before, _)| before);
    code
}

/// Whether a line begins with this keyword.
fn is_statement(line: &str, keyword: &str) -> bool {
    line.strip_prefix(keyword)
        .is_some_and(|rest| rest.starts_with([' ', '\t', '{', '*', '\'', '"']) || rest.is_empty())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.chars().all(is_of_identifier)
}

fn is_of_identifier(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '$')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bundle of `main.js` with this text, among other modules.
    fn bundled(main: &str) -> Result<String, String> {
        bundle("main.js", |name| {
            Some(match name {
                "main.js" => main,
                "a.js" => "export const A = 1;\nexport function b() {}\n",
                "c.js" => "import { A } from './a.js';\nexport class C {}\n",
                "loop.js" => "import { x } from './main.js';\n",
                _ => return None,
            })
        })
    }

    #[test]
    fn each_module_comes_once_and_after_those_that_it_needs() {
        let main = "import { C } from './c.js';\nimport {\n  A,\n  b,\n} from \"./a.js\";\n\nnew C(A, b);\n";
        let expected = "const $modules = {};\n\
            $modules['a.js'] = (() => {\nconst A = 1;\nfunction b() {}\nreturn { A, b };\n})();\n\
            $modules['c.js'] = (() => {\nconst { A } = $modules['a.js'];\nclass C {}\nreturn { C };\n})();\n\
            $modules['main.js'] = (() => {\nconst { C } = $modules['c.js'];\nconst { A, b } = $modules['a.js'];\n\
            \nnew C(A, b);\nreturn {  };\n})();\n";
        assert_eq!(bundled(main).unwrap(), expected);
    }

    #[test]
    fn exports_of_each_kind_keep_their_declaration() {
        let main = "export class A extends B {\n}\nexport function f(a) {}\nexport async function g() {}\n\
            export const h = (a) => a;\n";
        let script = bundled(main).unwrap();
        assert!(script.contains(
            "class A extends B {\n}\nfunction f(a) {}\nasync function g() {}\nconst h = (a) => a;"
        ));
        assert!(script.contains("return { A, f, g, h };"));
    }

    #[test]
    fn what_is_neither_import_nor_comment_is_left_as_it_is() {
        let main = "const important = 1;\nexported();\nasync () => await x();\n'export x';\n\
            f(/** @type {import('./a.js').A} */ (a));\nf(); // export default, and await in words\n\
            /* a */ b; /* c */\n/* d\n */ e;\n";
        assert!(bundled(main).unwrap().contains(main));
        let comments =
            "  // import what you need\n/**\n * @typedef {import('./a.js').A} A\n */\n/** @type {A} */\n";
        assert_eq!(bundled(&format!("{comments}a;\n{comments}")), bundled("a;\n"));
    }

    #[test]
    fn what_is_not_supported_is_an_error() {
        for main in [
            "import './a.js';",
            "import A from './a.js';",
            "import * as a from './a.js';",
            "import { A as B } from './a.js';",
            "import { A } from 'a.js';",
            "import { A } from '../a.js';",
            "import { A } from './a.js'",
            "import { missing } from './a.js';",
            "import { A } from './missing.js';",
            "import { x } from './loop.js';",
            "  import { A } from './a.js';",
            "const a = await import('./a.js');",
            "const url = import.meta.url;",
            "export default class {}",
            "export { a };",
            "export * from './a.js';",
            "export let a = 1;",
            "export const a;",
            "export const { a } = b;",
            "export function* a() {}",
            "export class {}",
            "  export const a = 1;",
            "await ready();",
            "$modules.a = 1;",
        ] {
            assert!(bundled(main).is_err(), "{main}");
        }
    }
}
