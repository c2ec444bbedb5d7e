"""The SQL of the sink ``postgis``; names in braces are identifiers, quoted where they are put in."""

FIND = (
    "SELECT {stage}::text, ST_X(moved), ST_Y(moved), ST_IsEmpty({point})"
    " FROM {table}, ST_Transform({point}, {srid}) AS moved WHERE {key} = %s"
)
# The comparison as text serves json too, which has no equality. An unchanged row stays as it is: a new
# version of it would look like an officer's act.
UPSERT = (
    "INSERT INTO {table} AS held ({names}) VALUES ({places})"
    " ON CONFLICT ({key}) DO UPDATE SET {sets} WHERE {changed}"
)
KEEP_FILE = (
    "INSERT INTO {} (external_key, name, sha256, content) VALUES (%s, %s, %s, %s) ON CONFLICT"
    " (external_key, name) DO UPDATE SET sha256 = excluded.sha256, content = excluded.content"
)
MAKE_FILES = (
    "CREATE TABLE IF NOT EXISTS {} (external_key text, name text, sha256 text NOT NULL,"
    " content bytea NOT NULL, PRIMARY KEY (external_key, name))"
)
UNIQUE = (
    "SELECT 1 FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
    " WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indpred IS NULL AND i.indnkeyatts = 1"
    " AND i.indisvalid AND i.indimmediate AND a.attname = %s"
)
SRID = (
    "SELECT g.srid, g.type, s.srid IS NOT NULL FROM geometry_columns AS g"
    " LEFT JOIN spatial_ref_sys AS s ON s.srid = g.srid AND s.srid > 0"
    " WHERE format('%%I.%%I', g.f_table_schema, g.f_table_name)::regclass = to_regclass(%s)"
    " AND g.f_geometry_column = %s"
)
STAGES = "SELECT {key}::text, {stage}::text, xmin::text FROM {table} WHERE {since} ORDER BY {key}"
# Counted backwards from the newest transaction, so that the 32 bits of xmin may have wrapped.
SINCE = "age(xmin) <= age({}::text::xid)"
