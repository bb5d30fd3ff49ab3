//! A line of the file: read, checked, and put into exactly one class.

use super::limits;
use super::money;

/// Codes that name no goods: nothing is counted, stored or shipped under them.
///
/// Carriage (`POST`, `DOT`, `C2`), entries typed in by hand (`M`), discounts (`D`), credits for samples, which are
/// amounts and never units (`S`), bad debt (`B`), fees and commissions. `PADS`, although priced at a tenth of a penny,
/// is a cushion pad that leaves the warehouse, so it is goods, and so are the `DCGS` codes.
const NON_GOODS: &[&str] = &[
    "POST",
    "DOT",
    "C2",
    "C3",
    "M",
    "D",
    "S",
    "B",
    "BANK CHARGES",
    "AMAZONFEE",
    "CRUK",
    "ADJUST",
    "ADJUST2",
];

/// Gift vouchers are paper with a value: none is on hand before it is sold.
const VOUCHER_PREFIX: &str = "GIFT_";

/// The class of a line. Every line has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Goods sold.
    Sale,
    /// Goods that left on a sales invoice for nothing.
    GivenAway,
    /// Goods of an earlier sale that came back.
    Cancellation,
    /// Goods that were found missing, damaged or wrongly counted.
    WriteOff,
    /// An adjustment of a debt.
    BadDebt,
    /// Carriage, fees, discounts, vouchers.
    NonGoods,
}

/// Which book an invoice belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Book {
    Sales,
    Cancellations,
    BadDebt,
}

/// A line that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Line number in the file, from 1; the header is line 1.
    pub(super) line: u64,
    pub(super) invoice: String,
    /// In capitals.
    pub(super) sku: String,
    pub(super) description: String,
    /// Units as the file has them: below 0 for what is taken back.
    pub(super) quantity: i64,
    /// Year, month, day, hour, minute and second as digits: sorts as time does.
    pub(super) time: u64,
    pub(super) price_minor: i64,
    pub(super) customer: Option<String>,
    pub(super) class: Class,
    /// The code was not in capitals.
    pub(super) recased: bool,
    /// The price had parts of a penny.
    pub(super) rounded: bool,
}

/// Where the columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    invoice: usize,
    sku: usize,
    description: usize,
    quantity: usize,
    time: usize,
    price: usize,
    customer: usize,
    count: usize,
}

impl Columns {
    /// Finds the columns by their names, in any order; names the missing ones.
    pub(super) fn from_header(header: &csv::ByteRecord) -> Result<Self, String> {
        let clean = |name: &[u8]| -> String {
            let text = String::from_utf8_lossy(name).to_lowercase();
            text.chars().filter(char::is_ascii_alphanumeric).collect()
        };
        let names: Vec<String> = header.iter().map(clean).collect();
        let mut missing = Vec::new();
        let mut find = |titles: &[&str]| {
            names.iter().position(|name| titles.contains(&name.as_str())).unwrap_or_else(|| {
                missing.push(titles[0].to_owned());
                0
            })
        };
        let columns = Self {
            // The second edition of the data set names some columns otherwise.
            invoice: find(&["invoiceno", "invoice"]),
            sku: find(&["stockcode"]),
            description: find(&["description"]),
            quantity: find(&["quantity"]),
            time: find(&["invoicedate"]),
            price: find(&["unitprice", "price"]),
            customer: find(&["customerid"]),
            count: names.len(),
        };
        if missing.is_empty() { Ok(columns) } else { Err(format!("columns missing: {}", missing.join(", "))) }
    }
}

/// Reads a line. The error says why it is refused.
pub(super) fn read(line: u64, record: &csv::ByteRecord, columns: &Columns) -> Result<Row, String> {
    if record.len() != columns.count {
        return Err(format!("{} columns instead of {}", record.len(), columns.count));
    }
    let text = |column: usize| String::from_utf8_lossy(&record[column]).trim().to_owned();
    let invoice = text(columns.invoice).to_ascii_uppercase();
    let book = book_of(&invoice)?;
    let raw_sku = text(columns.sku);
    let sku = raw_sku.to_ascii_uppercase();
    let time = time_of(&text(columns.time))?;
    let quantity = quantity_of(&text(columns.quantity))?;
    let price = money::to_minor(&text(columns.price))?;
    if price.minor.abs() > limits::MAX_PRICE_MINOR {
        return Err("price out of range".to_owned());
    }
    let customer = customer_of(&text(columns.customer))?;
    let goods = is_goods(&sku);
    let class = classify(book, goods, quantity, price)?;
    if goods {
        check_code(&sku, "stock code")?;
    }
    Ok(Row {
        line,
        invoice,
        recased: raw_sku != sku,
        sku,
        description: text(columns.description),
        quantity,
        time,
        price_minor: price.minor,
        customer,
        class,
        rounded: price.rounded,
    })
}

fn book_of(invoice: &str) -> Result<Book, String> {
    let (book, digits) = match invoice.as_bytes().first() {
        Some(b'C') => (Book::Cancellations, &invoice[1..]),
        Some(b'A') => (Book::BadDebt, &invoice[1..]),
        _ => (Book::Sales, invoice),
    };
    let sound =
        (1..=limits::MAX_CODE_LEN).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if sound { Ok(book) } else { Err(format!("`{invoice}` is no invoice number")) }
}

fn is_goods(sku: &str) -> bool {
    !NON_GOODS.contains(&sku) && !sku.starts_with(VOUCHER_PREFIX)
}

fn classify(book: Book, goods: bool, quantity: i64, price: money::Price) -> Result<Class, String> {
    if book == Book::BadDebt || price.negative {
        return Ok(Class::BadDebt);
    }
    if !goods {
        return Ok(Class::NonGoods);
    }
    match (book, quantity > 0) {
        (Book::Cancellations, true) => Err("a cancellation with a quantity above zero".to_owned()),
        (Book::Cancellations, false) => Ok(Class::Cancellation),
        (Book::Sales | Book::BadDebt, false) => Ok(Class::WriteOff),
        // A tenth of a penny is a price.
        (Book::Sales | Book::BadDebt, true) if price.minor == 0 && !price.rounded => Ok(Class::GivenAway),
        (Book::Sales | Book::BadDebt, true) => Ok(Class::Sale),
    }
}

fn quantity_of(text: &str) -> Result<i64, String> {
    // Spreadsheets write whole numbers as `6.0`.
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let quantity: i64 = whole.parse().map_err(|_| format!("`{text}` is no quantity"))?;
    if quantity == 0 || quantity.unsigned_abs() > limits::MAX_QUANTITY.unsigned_abs() {
        return Err(format!("quantity {quantity} out of range"));
    }
    Ok(quantity)
}

fn customer_of(text: &str) -> Result<Option<String>, String> {
    let number = text.strip_suffix(".0").unwrap_or(text);
    if number.is_empty() {
        return Ok(None);
    }
    check_code(number, "customer")?;
    Ok(Some(number.to_owned()))
}

fn check_code(code: &str, what: &str) -> Result<(), String> {
    let sound =
        (1..=limits::MAX_CODE_LEN).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
    if sound { Ok(()) } else { Err(format!("`{code}` is no {what}")) }
}

/// Reads `2010-12-01 08:26:00`, or `12/1/2010 8:26` as the set is also passed on.
fn time_of(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no date");
    let (date, time) = text.split_once([' ', 'T']).ok_or_else(bad)?;
    let numbers = |text: &str, separator: char| -> Option<Vec<u64>> {
        text.split(separator).map(|part| part.parse().ok()).collect()
    };
    let (year, month, day) = if date.contains('/') {
        match numbers(date, '/').ok_or_else(bad)?[..] {
            [month, day, year] => (year, month, day),
            _ => return Err(bad()),
        }
    } else {
        match numbers(date, '-').ok_or_else(bad)?[..] {
            [year, month, day] => (year, month, day),
            _ => return Err(bad()),
        }
    };
    let (hour, minute, second) = match numbers(time, ':').ok_or_else(bad)?[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(bad()),
    };
    let day_sound = (1900..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !day_sound || hour > 23 || minute > 59 || second > 60 {
        return Err(bad());
    }
    Ok(((((year * 100 + month) * 100 + day) * 100 + hour) * 100 + minute) * 100 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let names = [
            "InvoiceNo",
            "StockCode",
            "Description",
            "Quantity",
            "InvoiceDate",
            "UnitPrice",
            "CustomerID",
            "Country",
        ];
        Columns::from_header(&csv::ByteRecord::from(names.to_vec())).unwrap()
    }

    fn row(invoice: &str, sku: &str, quantity: &str, price: &str) -> Result<Row, String> {
        let fields = [invoice, sku, "THING", quantity, "2010-12-01 08:26:00", price, "17850.0", "France"];
        read(2, &csv::ByteRecord::from(fields.to_vec()), &columns())
    }

    #[test]
    fn each_kind_of_line_gets_its_class() {
        let cases = [
            ("536365", "85123a", "6", "2.55", Class::Sale),
            ("536365", "22000", "6", "0.0", Class::GivenAway),
            ("550193", "PADS", "1", "0.001", Class::Sale),
            ("C536379", "22000", "-1", "27.5", Class::Cancellation),
            ("536589", "21777", "-10", "0.0", Class::WriteOff),
            ("A563185", "B", "1", "11062.06", Class::BadDebt),
            ("A563186", "B", "1", "-11062.06", Class::BadDebt),
            ("536370", "post", "3", "18.0", Class::NonGoods),
            ("C536379", "D", "-1", "27.5", Class::NonGoods),
            ("536370", "gift_0001_20", "1", "16.67", Class::NonGoods),
            ("536370", "BANK CHARGES", "1", "15", Class::NonGoods),
        ];
        for (invoice, sku, quantity, price, class) in cases {
            assert_eq!(row(invoice, sku, quantity, price).map(|row| row.class), Ok(class), "{invoice} {sku}");
        }
    }

    #[test]
    fn a_code_is_taken_in_capitals_and_a_customer_without_fraction() {
        let row = row("536365", "85123a", "6", "2.55").unwrap();
        assert_eq!((row.sku.as_str(), row.recased), ("85123A", true));
        assert_eq!(row.customer.as_deref(), Some("17850"));
        assert_eq!((row.price_minor, row.time), (255, 20_101_201_082_600));
    }

    #[test]
    fn damaged_fields_are_refused_with_a_reason() {
        for (invoice, sku, quantity, price, reason) in [
            ("5363x5", "22000", "6", "2.55", "no invoice number"),
            ("", "22000", "6", "2.55", "no invoice number"),
            ("536365", "", "6", "2.55", "no stock code"),
            ("536365", "22 00", "6", "2.55", "no stock code"),
            ("536365", "22000", "six", "2.55", "no quantity"),
            ("536365", "22000", "0", "2.55", "out of range"),
            ("536365", "22000", "1000000001", "2.55", "out of range"),
            ("536365", "22000", "6", "2,55", "no price"),
            ("536365", "22000", "6", "99999999999999", "out of range"),
            ("C536365", "22000", "6", "2.55", "above zero"),
        ] {
            let refused = row(invoice, sku, quantity, price).unwrap_err();
            assert!(refused.contains(reason), "{invoice} {sku} {quantity} {price}: {refused}");
        }
    }

    #[test]
    fn both_ways_to_write_a_date_are_read_and_others_refused() {
        assert_eq!(time_of("12/1/2010 8:26"), Ok(20_101_201_082_600));
        for bad in
            ["", "yesterday", "2010-13-01 08:26:00", "2010-12-01", "2010-12-01 24:00:00", "12/2010 8:26"]
        {
            assert!(time_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn missing_columns_are_named() {
        let header =
            csv::ByteRecord::from(vec!["InvoiceNo", "Quantity", "CustomerID", "InvoiceDate", "Price"]);
        assert_eq!(Columns::from_header(&header), Err("columns missing: stockcode, description".to_owned()));
    }
}
