\set a random(1, :skus)
select sku, available, reserved, committed from stock where sku = :a;
