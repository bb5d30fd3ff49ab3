-- What PostgreSQL is asked to keep in a comparison, and the promises of Stockade's PlaceOrder and ConfirmOrder as functions:
-- all or nothing, nothing is sold twice, a request takes effect at most once and is answered as the first time, and every
-- movement of units stands in the ledger with the balances after it.
--
-- Orders and requests are named by numbers, which costs PostgreSQL less than UUIDs and text. There are no foreign keys: only
-- these functions write.

create table stock (
    sku integer primary key,
    initial bigint not null,
    available bigint not null check (available >= 0),
    reserved bigint not null check (reserved >= 0),
    committed bigint not null check (committed >= 0)
) with (fillfactor = 50); -- With room, so that an update stays on its page and touches no index.

create table orders (
    order_id bigint primary key,
    state text not null,
    placed_at timestamptz not null
) with (fillfactor = 90);

create table order_lines (
    order_id bigint not null,
    line bigint not null,
    sku integer not null,
    quantity bigint not null check (quantity > 0),
    primary key (order_id, line)
);

create table ledger (
    sku integer not null,
    entry bigint generated always as identity,
    order_id bigint not null,
    movement text not null,
    quantity bigint not null,
    available bigint not null,
    reserved bigint not null,
    committed bigint not null,
    booked_at timestamptz not null,
    primary key (sku, entry)
);

create table requests (
    request_id bigint primary key,
    content bigint not null,
    outcome text not null,
    decided_at timestamptz not null
);

-- What was answered to a request before; an error where it asked for something else then.
create function kept_outcome(p_request bigint, p_content bigint) returns text language plpgsql as $$
declare
    v_kept requests;
begin
    select * into strict v_kept from requests where request_id = p_request;
    if v_kept.content <> p_content then
        raise exception 'request % was made before with another content', p_request;
    end if;
    return v_kept.outcome;
end $$;

create function place_order(p_request bigint, p_order bigint, p_skus integer[], p_quantities bigint[])
returns text language plpgsql as $$
declare
    v_content bigint := hash_array_extended(p_skus, hash_array_extended(p_quantities, p_order));
    v_enough boolean;
    v_booked bigint;
begin
    -- Waits for another call with this request id, where one is under way.
    insert into requests values (p_request, v_content, 'placed', now()) on conflict (request_id) do nothing;
    if not found then
        return kept_outcome(p_request, v_content);
    end if;
    -- In the order of SKUs, so that no two calls wait for each other.
    select count(*) = cardinality(p_skus) and bool_and(locked.available >= wanted.quantity) into v_enough
    from (select sku, available from stock where sku = any (p_skus) order by sku for update) locked
    join unnest(p_skus, p_quantities) wanted (sku, quantity) using (sku);
    if not v_enough then
        update requests set outcome = 'insufficient stock' where request_id = p_request;
        return 'insufficient stock';
    end if;
    insert into orders values (p_order, 'pending', now());
    with taken as (
        update stock set available = stock.available - wanted.quantity, reserved = stock.reserved + wanted.quantity
        from unnest(p_skus, p_quantities) with ordinality wanted (sku, quantity, line)
        where stock.sku = wanted.sku
        returning stock.sku, wanted.line, wanted.quantity, stock.available, stock.reserved, stock.committed
    ), lines as (
        insert into order_lines select p_order, line, sku, quantity from taken
    )
    insert into ledger (sku, order_id, movement, quantity, available, reserved, committed, booked_at)
    select sku, p_order, 'reserve', quantity, available, reserved, committed, now() from taken;
    get diagnostics v_booked = row_count;
    if v_booked <> cardinality(p_skus) then
        raise exception 'an order names a SKU once';
    end if;
    return 'placed';
end $$;

create function confirm_order(p_request bigint, p_order bigint) returns text language plpgsql as $$
declare
    v_skus integer[];
    v_quantities bigint[];
begin
    insert into requests values (p_request, p_order, 'confirmed', now()) on conflict (request_id) do nothing;
    if not found then
        return kept_outcome(p_request, p_order);
    end if;
    update orders set state = 'confirmed' where order_id = p_order and state = 'pending';
    if not found then
        update requests set outcome = 'not pending' where request_id = p_request;
        return 'not pending';
    end if;
    -- Apart from stock: joined with it, a table of lines that was never analysed makes the planner read all of stock.
    select array_agg(sku), array_agg(quantity) into v_skus, v_quantities
    from order_lines where order_id = p_order;
    perform 1 from stock where sku = any (v_skus) order by sku for update;
    with moved as (
        update stock set reserved = stock.reserved - line.quantity, committed = stock.committed + line.quantity
        from unnest(v_skus, v_quantities) line (sku, quantity)
        where stock.sku = line.sku
        returning stock.sku, line.quantity, stock.available, stock.reserved, stock.committed
    )
    insert into ledger (sku, order_id, movement, quantity, available, reserved, committed, booked_at)
    select sku, p_order, 'commit', quantity, available, reserved, committed, now() from moved;
    return 'confirmed';
end $$;
