use phaul_planner::*;
fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap();
    let sets: Vec<Set> = args
        .filter_map(|a| match Set::parse(&a) {
            Ok(s) => Some(s),
            Err(d) => {
                println!("{}", diagnostic::human(&d, false));
                None
            }
        })
        .collect();
    let l = match read(&file) {
        Ok(t) => load(&file, &t, &sets),
        Err(d) => {
            println!("{}", diagnostic::human(&[*d], false));
            return;
        }
    };
    println!("{}", diagnostic::human(&l.diagnostics, false));
    println!("{}", render::plan_human(&l));
    if std::env::var("G").is_ok() {
        if let Some(g) = &l.graphs {
            for f in render::Format::ALL {
                println!("{}", render::render(g, *f));
            }
        }
    }
    if std::env::var("J").is_ok() {
        println!(
            "{}{}{}",
            diagnostic::json(&l.diagnostics),
            diagnostic::github(&l.diagnostics),
            diagnostic::sarif(&l.diagnostics)
        );
    }
}
