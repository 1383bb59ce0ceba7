// A walk through a Flight SQL server with the client of Apache Arrow for Java, the one below the JDBC driver.
// Usage: java Walk HOST PORT. Prints one line a step: its name, a tab, what was found. Ends with status 1 on a failure.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.arrow.flight.CallOption;
import org.apache.arrow.flight.CallOptions;
import org.apache.arrow.flight.CancelFlightInfoRequest;
import org.apache.arrow.flight.CloseSessionRequest;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightEndpoint;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStream;
import org.apache.arrow.flight.GetSessionOptionsRequest;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.RenewFlightEndpointRequest;
import org.apache.arrow.flight.SessionOptionValueFactory;
import org.apache.arrow.flight.SetSessionOptionsRequest;
import org.apache.arrow.flight.client.ClientCookieMiddleware;
import org.apache.arrow.flight.sql.FlightSqlClient;
import org.apache.arrow.flight.sql.impl.FlightSql.CommandStatementIngest.TableDefinitionOptions;
import org.apache.arrow.flight.sql.util.TableRef;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.apache.arrow.vector.BigIntVector;
import org.apache.arrow.vector.FieldVector;
import org.apache.arrow.vector.IntVector;
import org.apache.arrow.vector.VarCharVector;
import org.apache.arrow.vector.VectorSchemaRoot;
import org.apache.arrow.vector.types.pojo.ArrowType;
import org.apache.arrow.vector.types.pojo.Field;
import org.apache.arrow.vector.types.pojo.Schema;

public final class Walk {
  private static final String ENDLESS =
      "select count(*) from range(100_000_000_000) as a(i), range(1000) as b(j) where hash(i + j) = 1";
  private final FlightSqlClient client;
  private final BufferAllocator memory;

  private Walk(FlightSqlClient client, BufferAllocator memory) {
    this.client = client;
    this.memory = memory;
  }

  public static void main(String[] arguments) throws Exception {
    Location place = Location.forGrpcInsecure(arguments[0], Integer.parseInt(arguments[1]));
    try (BufferAllocator memory = new RootAllocator();
        FlightClient flight =
            FlightClient.builder(memory, place).intercept(new ClientCookieMiddleware.Factory()).build();
        FlightSqlClient client = new FlightSqlClient(flight)) {
      Walk walk = new Walk(client, memory);
      walk.statements();
      walk.prepared();
      walk.metadata();
      walk.transactions();
      walk.loads();
      walk.session();
      walk.cancelling();
    }
  }

  private interface Step {
    Object run() throws Exception;
  }

  private static void step(String name, Step step) throws Exception {
    System.out.println(name + "\t" + step.run());
  }

  private static String refusal(Step step) throws Exception {
    try {
      return "not refused: " + step.run();
    } catch (FlightRuntimeException error) {
      String text = String.valueOf(error.getMessage());
      int code = text.indexOf('[');
      return error.status().code() + " " + (code < 0 ? text : text.substring(code, text.indexOf(']') + 1));
    }
  }

  private List<String> rows(FlightInfo info, CallOption... options) throws Exception {
    List<String> found = new ArrayList<>();
    for (FlightEndpoint endpoint : info.getEndpoints()) {
      try (FlightStream stream = client.getStream(endpoint.getTicket(), options)) {
        while (stream.next()) {
          VectorSchemaRoot root = stream.getRoot();
          for (int row = 0; row < root.getRowCount(); row++) {
            List<String> values = new ArrayList<>();
            for (FieldVector column : root.getFieldVectors()) {
              values.add(String.valueOf(column.getObject(row)));
            }
            found.add(String.join("|", values));
          }
        }
      }
    }
    return found;
  }

  private static String names(Schema schema) {
    List<String> found = new ArrayList<>();
    for (Field field : schema.getFields()) {
      found.add(field.getName() + " " + field.getType());
    }
    return String.join(", ", found);
  }

  private void statements() throws Exception {
    step("create", () -> client.executeUpdate("create table walk (id integer, name varchar, price decimal(9, 2))"));
    step("insert", () -> client.executeUpdate("insert into walk values (1, 'one', 1.5), (2, 'two', 2.5)"));
    step("select", () -> rows(client.execute("select * from walk order by id")));
    step("schema", () -> names(client.getExecuteSchema("select * from walk").getSchema()));
    step("ddl by execute", () -> rows(client.execute("create or replace table walk_2 (a integer)")));
    step("bad sql", () -> refusal(() -> client.execute("selec 1")));
    step("no such table", () -> refusal(() -> client.execute("from nowhere")));
  }

  private void prepared() throws Exception {
    try (FlightSqlClient.PreparedStatement query =
        client.prepare("select name from walk where id = ? and price < ? limit ?")) {
      step("parameters of a query", () -> names(query.getParameterSchema()));
      step("columns of a query", () -> names(query.getResultSetSchema()));
    }
    try (FlightSqlClient.PreparedStatement query = client.prepare("select name from walk where id = ?");
        VectorSchemaRoot values = VectorSchemaRoot.create(query.getParameterSchema(), memory)) {
      IntVector id = (IntVector) values.getVector(0);
      for (int turn = 1; turn <= 2; turn++) {
        id.allocateNew(1);
        id.setSafe(0, turn);
        values.setRowCount(1);
        query.setParameters(values);
        step("prepared query " + turn, () -> rows(query.execute()));
      }
      query.clearParameters();
    }
    try (FlightSqlClient.PreparedStatement update = client.prepare("insert into walk (id, name) values (?, ?)");
        VectorSchemaRoot values = VectorSchemaRoot.create(update.getParameterSchema(), memory)) {
      step("parameters of an insert", () -> names(update.getParameterSchema()));
      step("columns of an insert", () -> names(update.getResultSetSchema()).length());
      fill(values, 3);
      update.setParameters(values);
      step("prepared insert of a batch", update::executeUpdate);
      update.clearParameters();
    }
    step("after the batch", () -> rows(client.execute("select count(*), max(name) from walk")));
  }

  private static void fill(VectorSchemaRoot values, int count) {
    IntVector ids = (IntVector) values.getVector(0);
    VarCharVector names = (VarCharVector) values.getVector(1);
    ids.allocateNew(count);
    names.allocateNew();
    for (int row = 0; row < count; row++) {
      ids.setSafe(row, 10 + row);
      names.setSafe(row, ("name " + row).getBytes(StandardCharsets.UTF_8));
    }
    values.setRowCount(count);
  }

  private void metadata() throws Exception {
    step("catalogs", () -> rows(client.getCatalogs()).contains("primary"));
    step("schemas", () -> rows(client.getSchemas("primary", "main")));
    step("tables", () -> rows(client.getTables("primary", null, "walk", Collections.singletonList("TABLE"), false)));
    step("tables with schema", () -> rows(client.getTables("primary", null, "walk", null, true)).size());
    step("table types", () -> rows(client.getTableTypes()));
    step("types", () -> rows(client.getXdbcTypeInfo(4)).size());
    step("facts", () -> rows(client.getSqlInfo(new int[] {0, 3, 8, 562})));
    step("all facts", () -> rows(client.getSqlInfo(new int[] {})).size());
    TableRef parent = TableRef.of("yard", "main", "walk_parent");
    TableRef child = TableRef.of("yard", "main", "walk_child");
    step("primary keys", () -> rows(client.getPrimaryKeys(parent)));
    step("exported keys", () -> rows(client.getExportedKeys(parent)).size());
    step("imported keys", () -> rows(client.getImportedKeys(child)).size());
    step("cross reference", () -> rows(client.getCrossReference(parent, child)).size());
  }

  private void transactions() throws Exception {
    String count = "select count(*) from walk";
    FlightSqlClient.Transaction first = client.beginTransaction();
    step("delete in a transaction", () -> client.executeUpdate("delete from walk where id >= 10", first));
    step("seen inside", () -> rows(client.execute(count, first)));
    step("seen outside", () -> rows(client.execute(count)));
    client.rollback(first);
    step("after rollback", () -> rows(client.execute(count)));
    FlightSqlClient.Transaction second = client.beginTransaction();
    client.executeUpdate("delete from walk where id >= 10", second);
    client.commit(second);
    step("after commit", () -> rows(client.execute(count)));
    step("an ended transaction", () -> refusal(() -> client.execute(count, second)));
    FlightSqlClient.Transaction third = client.beginTransaction();
    step("savepoint", () -> refusal(() -> client.beginSavepoint(third, "s")));
    client.rollback(third);
    FlightSqlClient.SubstraitPlan plan = new FlightSqlClient.SubstraitPlan(new byte[] {1}, "1");
    step("substrait", () -> refusal(() -> client.executeSubstrait(plan)));
    step("substrait prepared", () -> refusal(() -> client.prepare(plan)));
  }

  private static FlightSqlClient.ExecuteIngestOptions into(String table, boolean create, boolean temporary) {
    TableDefinitionOptions options =
        TableDefinitionOptions.newBuilder()
            .setIfNotExist(
                create
                    ? TableDefinitionOptions.TableNotExistOption.TABLE_NOT_EXIST_OPTION_CREATE
                    : TableDefinitionOptions.TableNotExistOption.TABLE_NOT_EXIST_OPTION_FAIL)
            .setIfExists(
                create
                    ? TableDefinitionOptions.TableExistsOption.TABLE_EXISTS_OPTION_FAIL
                    : TableDefinitionOptions.TableExistsOption.TABLE_EXISTS_OPTION_APPEND)
            .build();
    return new FlightSqlClient.ExecuteIngestOptions(table, options, temporary, null, null, Collections.emptyMap());
  }

  private void loads() throws Exception {
    Field number = Field.nullable("a", new ArrowType.Int(64, true));
    try (VectorSchemaRoot root = VectorSchemaRoot.create(new Schema(List.of(number)), memory)) {
      BigIntVector column = (BigIntVector) root.getVector(0);
      column.allocateNew(1000);
      for (int row = 0; row < 1000; row++) {
        column.setSafe(row, row);
      }
      root.setRowCount(1000);
      step("load", () -> client.executeIngest(root, into("walk_load", true, false)));
      step("load more", () -> client.executeIngest(root, into("walk_load", false, false)));
      step("loaded", () -> rows(client.execute("select count(*), sum(a) from walk_load")));
      step("load again", () -> refusal(() -> client.executeIngest(root, into("walk_load", true, false))));
      step("load temporary", () -> client.executeIngest(root, into("walk_temporary", true, true)));
      step("temporary", () -> rows(client.execute("select max(a) from walk_temporary")));
      FlightSqlClient.Transaction transaction = client.beginTransaction();
      step("load inside", () -> client.executeIngest(root, into("walk_inside", true, false), transaction));
      client.rollback(transaction);
      step("rolled back", () -> refusal(() -> client.execute("from walk_inside")));
    }
  }

  private void session() throws Exception {
    step(
        "set options",
        () ->
            client
                .setSessionOptions(
                    new SetSessionOptionsRequest(
                        Collections.singletonMap("catalog", SessionOptionValueFactory.makeSessionOptionValue("lake"))))
                .hasErrors());
    step(
        "options",
        () -> new TreeMap<>(client.getSessionOptions(new GetSessionOptionsRequest()).getSessionOptions()).keySet());
    step("in that catalog", () -> rows(client.execute("select count(*) > 0 from journal")));
    step("close", () -> client.closeSession(new CloseSessionRequest()).getStatus());
    step("after closing", () -> refusal(() -> rows(client.execute("from walk_temporary"))));
  }

  private void cancelling() throws Exception {
    FlightInfo info = client.execute(ENDLESS);
    step("renew", () -> client.renewFlightEndpoint(new RenewFlightEndpointRequest(info.getEndpoints().get(0))) != null);
    Thread waiting = new Thread(() -> {
      try {
        Thread.sleep(500);
        System.out.println("cancel\t" + client.cancelFlightInfo(new CancelFlightInfoRequest(info)).getStatus());
      } catch (InterruptedException error) {
        throw new IllegalStateException(error);
      }
    });
    waiting.start();
    String ended = refusal(() -> rows(info));
    waiting.join();
    step("cancelled", () -> ended);
    FlightInfo again = client.execute(ENDLESS);
    step("time limit", () -> refusal(() -> rows(again, CallOptions.timeout(500, TimeUnit.MILLISECONDS))).split(" ")[0]);
    FlightInfo unread = client.execute("select 1");
    step("cancel query", () -> client.cancelQuery(unread));
  }
}
