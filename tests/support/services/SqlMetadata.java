// pgjdbc against a server. Usage: java -cp <driver> SqlMetadata.java <port>; prints `name=value` lines.

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

public class SqlMetadata {
  static void say(String name, Object value) {
    System.out.println(name + "=" + value);
  }

  static List<String> column(ResultSet rows, String name) throws SQLException {
    List<String> found = new ArrayList<>();
    while (rows.next()) found.add(rows.getString(name));
    return found;
  }

  static int count(ResultSet rows) throws SQLException {
    int found = 0;
    while (rows.next()) found++;
    return found;
  }

  static void metadata(Connection connection) throws SQLException {
    DatabaseMetaData about = connection.getMetaData();
    say("product", about.getDatabaseProductName());
    say("major", about.getDatabaseMajorVersion());
    say("user", about.getUserName());
    say("catalogs", column(about.getCatalogs(), "TABLE_CAT"));
    say("schemas", new TreeSet<>(column(about.getSchemas(), "TABLE_SCHEM")));
    say("tables", column(about.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME"));
    say("views", column(about.getTables("restate", "public", "sys%", new String[] {"VIEW"}), "TABLE_NAME"));
    say("columns", column(about.getColumns(null, "public", "sys_service", "%"), "COLUMN_NAME"));
    say("types", column(about.getColumns(null, "public", "sys_deployment", null), "TYPE_NAME"));
    say("positions", column(about.getColumns(null, "public", "sys_service", "%"), "ORDINAL_POSITION"));
    say("nullable", new TreeSet<>(column(about.getColumns(null, "public", "%", "%"), "IS_NULLABLE")));
    say("keys", count(about.getPrimaryKeys(null, "public", "state")));
    say("imported", count(about.getImportedKeys(null, "public", "state")));
    say("exported", count(about.getExportedKeys(null, "public", "state")));
    say("indexes", count(about.getIndexInfo(null, "public", "state", false, true)));
    say("procedures", count(about.getProcedures(null, "public", "%")));
    say("functions", count(about.getFunctions(null, "public", "%")));
    say("text type", column(about.getTypeInfo(), "TYPE_NAME").contains("text"));
    say("privileges", count(about.getTablePrivileges(null, "public", "state")) > 0);
    say("best row", count(about.getBestRowIdentifier(null, "public", "state", DatabaseMetaData.bestRowSession, true)));
    say("keywords", about.getSQLKeywords().contains("analyze"));
    say("longest name", about.getMaxColumnNameLength());
  }

  static void queries(Connection connection) throws SQLException {
    try (PreparedStatement ask = connection.prepareStatement("select value_utf8 from state where service_name = ? and service_key = ? and value_length >= ?")) {
      ask.setString(1, "Counter");
      ask.setString(2, "pear");
      ask.setInt(3, 1);
      // After five runs the driver prepares by name and reads in binary.
      for (int i = 0; i < 8; i++) {
        ResultSet rows = ask.executeQuery();
        if (!rows.next()) throw new IllegalStateException("no row");
        if (i == 7) say("prepared", rows.getString(1));
      }
    }
    try (PreparedStatement ask = connection.prepareStatement("select id, created_at, journal_size, partition_key, completion_retention, suspended_waiting_for_completions from sys_invocation_status where created_at > ? order by created_at")) {
      ask.setTimestamp(1, new Timestamp(0));
      OffsetDateTime first = null;
      for (int i = 0; i < 8; i++) {
        ResultSet rows = ask.executeQuery();
        rows.next();
        OffsetDateTime now = rows.getObject("created_at", OffsetDateTime.class);
        if (first != null && !first.equals(now)) throw new IllegalStateException(first + " in text, " + now + " in binary");
        first = now;
        rows.getBigDecimal("partition_key");
        rows.getString("completion_retention");
        rows.getArray("suspended_waiting_for_completions");
      }
      ResultSetMetaData about = ask.getMetaData();
      List<String> names = new ArrayList<>();
      for (int i = 1; i <= about.getColumnCount(); i++) names.add(about.getColumnName(i) + " " + about.getColumnTypeName(i));
      say("described", names);
      say("parameter", ask.getParameterMetaData().getParameterTypeName(1));
    }
    connection.setAutoCommit(false);
    try (Statement ask = connection.createStatement()) {
      ask.setFetchSize(700);
      ResultSet rows = ask.executeQuery("select * from generate_series(1, 5000)");
      long sum = 0;
      while (rows.next()) sum += rows.getLong(1);
      say("fetched", sum);
    }
    connection.commit();
    connection.setAutoCommit(true);
    try (Statement ask = connection.createStatement()) {
      ResultSet rows = ask.executeQuery("select services from sys_deployment");
      rows.next();
      say("array", ((Object[]) rows.getArray(1).getArray()).length > 2);
    }
  }

  static void errors(Connection connection) throws SQLException {
    List<String> states = new ArrayList<>();
    for (String sql : new String[] {"selec", "select nothere from state", "select 1/0", "insert into state values (1)"}) {
      try (Statement ask = connection.createStatement()) {
        ask.execute(sql);
      } catch (SQLException error) {
        states.add(error.getSQLState());
      }
    }
    say("errors", states);
    try (Statement ask = connection.createStatement()) {
      ask.setQueryTimeout(1);
      ask.executeQuery("select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b");
    } catch (SQLException error) {
      say("timeout", error.getSQLState());
    }
    say("valid", connection.isValid(5));
    say("schema", connection.getSchema());
    connection.setReadOnly(true);
    connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    say("read only", connection.isReadOnly());
  }

  public static void main(String[] arguments) throws SQLException {
    String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/restate?user=reader";
    try (Connection connection = DriverManager.getConnection(url)) {
      metadata(connection);
      queries(connection);
      errors(connection);
    }
    try (Connection connection = DriverManager.getConnection(url + "&preferQueryMode=simple&ApplicationName=simple")) {
      try (PreparedStatement ask = connection.prepareStatement("select value_utf8 from state where service_key = ?")) {
        ask.setString(1, "pear");
        ResultSet rows = ask.executeQuery();
        rows.next();
        say("simple", rows.getString(1));
      }
    }
  }
}
