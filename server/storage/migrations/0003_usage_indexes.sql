-- Reports of one key, account, owner, group or model read only its rows.

create index usage_rows_key on usage_rows (key, day) where key is not null;
create index usage_rows_key_name on usage_rows (key_name, day) where key_name is not null;
create index usage_rows_account on usage_rows (account, day) where account is not null;
create index usage_rows_account_name on usage_rows (account_name, day) where account_name is not null;
create index usage_rows_owner on usage_rows (owner, day) where owner is not null;
create index usage_rows_group on usage_rows (key_group, day) where key_group is not null;
create index usage_rows_model on usage_rows (model, day) where model is not null;
