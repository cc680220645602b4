package tandem.interop;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.TreeMap;

/**
 * The two databases of the shop, H2 files below DB_DIR that several processes open at the same time: orders that were
 * paid, and cart entries that were cleared, with the number of deliveries of each.
 */
final class ShopTables {
    // WRITE_DELAY=0: a commit is in the file when it returns, or a halted JVM would lose it.
    private static final String URL =
        "jdbc:h2:" + Kit.env("DB_DIR", "./target/db") + "/%s;AUTO_SERVER=TRUE;WRITE_DELAY=0;LOCK_TIMEOUT=5000";

    private ShopTables() {
    }

    /** The caller's first connection is to stay open: H2 closes and reopens a file that nobody is connected to. */
    static Connection orders() throws SQLException {
        return open("orders",
            "CREATE TABLE IF NOT EXISTS orders (order_id VARCHAR PRIMARY KEY, transaction_id VARCHAR)");
    }

    static Connection cart() throws SQLException {
        return open("cart", "CREATE TABLE IF NOT EXISTS cart (order_id VARCHAR PRIMARY KEY, deliveries INT)");
    }

    private static Connection open(String name, String table) throws SQLException {
        Connection db = DriverManager.getConnection(String.format(URL, name));
        try (Statement statement = db.createStatement()) {
            statement.execute(table);
        }
        return db;
    }

    static int update(Connection db, String sql, Object... values) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            return statement.executeUpdate();
        }
    }

    static boolean paid(Connection db, String order) throws SQLException {
        try (PreparedStatement query = db.prepareStatement("SELECT 1 FROM orders WHERE order_id = ?")) {
            query.setString(1, order);
            return query.executeQuery().next();
        }
    }

    /** Adds one delivery of an order, in one transaction: two members of the group may get it at the same time. */
    static void delivered(Connection db, String order) throws SQLException {
        if (update(db, "UPDATE cart SET deliveries = deliveries + 1 WHERE order_id = ?", order) == 0) {
            update(db, "INSERT INTO cart VALUES (?, 1)", order);
        }
    }

    /** Every row's first column, with the second where it is a number. */
    static Map<String, Integer> rows(Connection db, String table) throws SQLException {
        Map<String, Integer> found = new TreeMap<>();
        try (Statement statement = db.createStatement();
            ResultSet rows = statement.executeQuery("SELECT * FROM " + table)) {
            while (rows.next()) {
                found.put(rows.getString(1), table.equals("cart") ? rows.getInt(2) : 1);
            }
        }
        return found;
    }
}
