use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use stockade_proto::v1::Reason;

use super::file::{self, read_lines};
use super::plan::{Adjust, Job, OrderLine, Plan, Return};
use super::report::Report;
use super::{StockPolicy, stock_policy};

const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

fn plan(lines: &str) -> Plan {
    read_lines(format!("{HEADER}{lines}").as_bytes()).unwrap()
}

fn class(plan: &Plan, key: &str) -> u64 {
    Report::of_plan(plan).classes[key]
}

#[test]
fn an_invoice_becomes_an_order_even_if_its_lines_stand_apart() {
    let plan = plan(
        "536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,UK\n\
         536366,22000,CUP,1,2010-12-01 08:27:00,1.00,,UK\n\
         536365,85123a,HEART,2,2010-12-01 08:28:00,2.75,17850.0,UK\n\
         536365,POST,POSTAGE,1,2010-12-01 08:28:00,18.0,17850.0,UK\n",
    );
    assert_eq!(plan.orders.len(), 2);
    assert_eq!(plan.orders[0].id, "inv-536365");
    assert_eq!(plan.orders[0].customer.as_deref(), Some("17850"));
    let line = |quantity, price_minor| OrderLine { sku: 0, quantity, price_minor };
    assert_eq!(plan.orders[0].lines, [line(6, 255), line(2, 275)]);
    assert_eq!((plan.skus[0].id.as_str(), plan.skus[0].leaving), ("85123A", 8));
    assert_eq!((plan.merged_by_case, class(&plan, "lines_non_goods")), (1, 1));
}

#[test]
fn a_cancellation_returns_the_newest_sale_and_adjusts_what_was_never_sold() {
    let plan = plan(
        "1,A1,CUP,5,2010-12-01 08:00:00,1.0,7,UK\n\
         2,A1,CUP,2,2010-12-02 08:00:00,1.0,7,UK\n\
         C3,A1,CUP,-4,2010-12-03 08:00:00,1.0,7,UK\n\
         C4,A1,CUP,-9,2010-12-04 08:00:00,1.0,7,UK\n\
         C5,A1,CUP,-1,2010-12-05 08:00:00,1.0,,UK\n",
    );
    let back = |order, document: &str, quantity| {
        Job::Return(Return { order, document: document.to_owned(), lines: BTreeMap::from([(1, quantity)]) })
    };
    let restock = |document: &str, delta| {
        Job::Adjust(Adjust { sku: 0, delta, reason: Reason::Restock, document: document.to_owned() })
    };
    assert_eq!(
        plan.jobs,
        [
            Job::Order(0),
            Job::Order(1),
            back(0, "ret-C3-1", 2),
            back(1, "ret-C3-2", 2),
            restock("adj-C4-1", 6),
            back(0, "ret-C4-1", 3),
            restock("adj-C5-1", 1),
        ]
    );
    assert_eq!(class(&plan, "lines_cancellation"), 3);
}

#[test]
fn a_cancellation_before_its_sale_takes_nothing_back() {
    let plan = plan(
        "C3,A1,CUP,-4,2010-12-01 08:00:00,1.0,7,UK\n\
         1,A1,CUP,5,2010-12-02 08:00:00,1.0,7,UK\n",
    );
    assert!(matches!(plan.jobs[..], [Job::Adjust(_), Job::Order(0)]), "{:?}", plan.jobs);
}

#[test]
fn a_write_off_is_an_adjustment_that_the_receipt_covers() {
    let plan = plan("536589,21777,wet damaged,-10,2010-12-01 16:50:00,0.0,,UK\n");
    let expected = Adjust { sku: 0, delta: -10, reason: Reason::Damaged, document: "wo-536589-1".to_owned() };
    assert_eq!(plan.jobs, [Job::Adjust(expected)]);
    assert_eq!(plan.skus[0].leaving, 10);
}

#[test]
fn damaged_rows_are_refused_with_their_line_and_the_others_imported() {
    let plan = plan(
        "1,A1,CUP,5,2010-12-01 08:00:00,1.0,7,UK\n\
         1,A1,\"CUP,5,2010-12-01 08:00:00,1.0,7,UK\n\
         1,A1,CUP,five,2010-12-01 08:00:00,1.0,7,UK\n\
         \n\
         1,A1,CUP,5,2010-12-01 08:00:00,1.0,8,UK\n\
         2,A1,\"CUP, \"\"BIG\"\"\",5,2010-12-01 08:00:00,1.0,7,UK\n\
         3,A1,CUP\n",
    );
    let refused: Vec<_> = plan.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(refused, [3, 4, 5, 6, 8]);
    assert!(plan.rejects[3].reason.contains("another customer"), "{:?}", plan.rejects[3]);
    assert_eq!((plan.lines, plan.orders.len(), class(&plan, "lines_rejected")), (7, 2, 5));
}

#[test]
fn an_invoice_with_too_many_lines_is_refused_whole() {
    let line = "1,A1,CUP,5,2010-12-01 08:00:00,1.0,7,UK\n";
    let plan = plan(&format!("{}2,A1,CUP,1,2010-12-01 08:00:00,1.0,7,UK\n", line.repeat(2_001)));
    assert_eq!((plan.orders.len(), plan.rejects.len(), class(&plan, "lines_sale")), (1, 2_001, 1));
    assert_eq!(plan.skus[0].leaving, 1);
}

#[test]
fn a_line_without_end_is_refused_and_not_kept() {
    let plan = plan(&format!("1,A1,{},5\n2,A1,CUP,1,2010-12-01 08:00:00,1.0,7,UK\n", "x".repeat(200_000)));
    assert_eq!((plan.lines, plan.rejects.len(), plan.orders.len()), (2, 1, 1));
    assert!(plan.rejects[0].text.len() <= 256);
}

#[test]
fn what_has_no_header_is_no_data_set() {
    assert!(read_lines(&b""[..]).is_err());
    let error = read_lines(&b"a,b,c\n"[..]).unwrap_err();
    assert!(error.to_string().contains("columns missing"), "{error}");
}

#[test]
fn a_zipped_file_is_known_by_its_content_and_a_broken_one_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(format!("{HEADER}1,A1,CUP,5,2010-12-01 08:00:00,1.0,7,UK\n").as_bytes()).unwrap();
    let bytes = zipped.finish().unwrap();
    let path = directory.path().join("orders.csv");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(file::read(&path).unwrap().orders.len(), 1);
    std::fs::write(&path, &bytes[..bytes.len() - 12]).unwrap();
    let error = format!("{:#}", file::read(&path).unwrap_err());
    assert!(error.contains("breaks off"), "{error}");
}

#[test]
fn the_reject_file_names_line_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rejects.csv");
    file::write_rejects(&path, &plan("3,A1,CUP\n").rejects).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, "line,reason,row\n2,3 columns instead of 8,\"3,A1,CUP\"\n");
}

#[test]
fn a_stock_policy_is_cover_or_a_number() {
    assert_eq!(stock_policy("cover"), Ok(StockPolicy::Cover));
    assert_eq!(stock_policy("fixed:100"), Ok(StockPolicy::Fixed(100)));
    for bad in ["", "fixed", "fixed:", "fixed:-1", "fixed:x", "fixed:9999999999999"] {
        assert!(stock_policy(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_classes_of_the_real_file_sum_to_its_lines() {
    let beside =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/online-retail-2010-12_2011-09.csv.gz");
    let path = std::env::var_os("STOCKADE_RETAIL_CSV").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if !path.exists() {
        println!("skipped the_classes_of_the_real_file_sum_to_its_lines: STOCKADE_RETAIL_CSV names no file");
        return;
    }
    let plan = file::read(&path).unwrap();
    let report = Report::of_plan(&plan);
    println!("{report}");
    assert_eq!(report.lines, 370_931);
    assert_eq!(report.classes.values().sum::<u64>(), 370_931);
    assert_eq!((report.rejected, report.prices_rounded), (0, 4));
    let (mut sold, mut returned) = (BTreeMap::new(), BTreeMap::new());
    for (number, order) in plan.orders.iter().enumerate() {
        for (line, sale) in (1_i32..).zip(&order.lines) {
            sold.insert((number, line), sale.quantity);
        }
    }
    for job in &plan.jobs {
        if let Job::Return(back) = job {
            for (line, quantity) in &back.lines {
                *returned.entry((back.order, *line)).or_insert(0) += quantity;
            }
        }
    }
    assert!(!returned.is_empty());
    assert!(returned.iter().all(|(line, quantity)| quantity <= &sold[line]), "more returned than sold");
}
