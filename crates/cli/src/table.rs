//! Tables as upstream prints them (cli.md §1.8): columns of at least `minimum` characters, padded with tabs to multiples of
//! eight, the last one not padded.

const TAB: usize = 8;

/// Lays out rows. Rows of one cell stand by themselves and do not widen any column.
pub(crate) fn table(minimum: usize, rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter(|row| row.len() > column + 1)
            .map(|row| row[column].chars().count());
        // One blank at least after the widest.
        let padded = cells.max().unwrap_or(0) + 1;
        padded.max(minimum).next_multiple_of(TAB)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < row.len() {
                let missing = widths[column].saturating_sub(cell.chars().count());
                out.extend(std::iter::repeat_n('\t', missing.div_ceil(TAB)));
            }
        }
        out.push('\n');
    }
    out
}

/// One row from pieces of text.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_with_tabs_to_multiples_of_eight() {
        let rows = [
            row(["COMPONENT", "VERSION"]),
            row(["router", "main"]),
            row(["controller", "v2-dev"]),
            row(["network-observer", "v2-dev"]),
        ];
        // As upstream's `manifest` prints it.
        assert_eq!(
            table(8, &rows),
            "COMPONENT\t\tVERSION\nrouter\t\t\tmain\ncontroller\t\tv2-dev\nnetwork-observer\tv2-dev\n"
        );
    }
}
