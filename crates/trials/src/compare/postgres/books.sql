-- What is there, as one JSON object.
select json_build_object(
    'orders', (select count(*) from orders),
    'ordered', (select coalesce(sum(quantity), 0) from order_lines),
    'taken', (select sum(reserved + committed) from stock),
    'gone', (select sum(initial - available) from stock),
    'booked', (select coalesce(sum(quantity), 0) from ledger where movement = 'reserve')
);
