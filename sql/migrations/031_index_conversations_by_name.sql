-- Names in order, for functions/conversation_names.sql: those in which nothing is to be masked, and which
-- conversations have others.

create index if not exists conversations_client_id_name_idx
    on conversations (client_id, lower(name))
    where ascii(name) between 65 and 122
        and octet_length(name) - octet_length(translate(name, '0123456789', '')) < 7
        and (phone is null or length(phone) < 4 or strpos(name, phone) = 0);
create index if not exists conversations_client_id_other_names_idx
    on conversations (client_id)
    where (
        ascii(name) between 65 and 122
        and octet_length(name) - octet_length(translate(name, '0123456789', '')) < 7
        and (phone is null or length(phone) < 4 or strpos(name, phone) = 0)
    ) is not true;
