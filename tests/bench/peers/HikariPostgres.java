// HikariCP on PostgreSQL: one line of JSON. Run by languages.py with the server's JDBC address.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.ArrayList;
import java.util.List;

public final class HikariPostgres {
  private static final int CONNECTIONS = 3;
  private static final int THREADS = 8;
  private static final int ROWS = 1000;
  private static final long RUN_NANOS = 1_000_000_000L;

  private static HikariDataSource makePool(String address) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(address);
    config.setMaximumPoolSize(CONNECTIONS);
    config.setMinimumIdle(CONNECTIONS);
    return new HikariDataSource(config);
  }

  // The driver keeps a statement prepared from its fifth run on.
  private static void select(HikariDataSource pool, long key) throws Exception {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement =
            connection.prepareStatement("SELECT id, level FROM reading WHERE id = ?")) {
      statement.setLong(1, key);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        if (rows.getLong(1) != key || rows.getDouble(2) < 0) throw new IllegalStateException("row");
      }
    }
  }

  private static double bestNanos(HikariDataSource pool, int times) throws Exception {
    double best = Double.MAX_VALUE;
    for (int repetition = 0; repetition < 15; ++repetition) { // the first ones warm the compiler up
      long start = System.nanoTime();
      for (int i = 0; i < times; ++i) select(pool, i % ROWS + 1);
      best = Math.min(best, (double) (System.nanoTime() - start) / times);
    }
    return best;
  }

  // The spans of one thread, in ns.
  private static List<Long> work(HikariDataSource pool, long end) {
    List<Long> spans = new ArrayList<>();
    for (int key = 0; System.nanoTime() < end; ++key) {
      long asked = System.nanoTime();
      try {
        select(pool, key % ROWS + 1);
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
      spans.add(System.nanoTime() - asked);
    }
    return spans;
  }

  private static String contend(HikariDataSource pool) throws Exception {
    List<List<Long>> spans = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    long end = System.nanoTime() + RUN_NANOS;
    for (int i = 0; i < THREADS; ++i) {
      spans.add(null);
      int mine = i;
      threads.add(new Thread(() -> spans.set(mine, work(pool, end))));
    }
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    long[] all = spans.stream().flatMap(List::stream).mapToLong(Long::longValue).sorted().toArray();
    return String.format(
        "{\"per_second\": %d, \"wait_us\": {\"p50\": %.1f, \"p99\": %.1f, \"p99.9\": %.1f}}",
        all.length * 1_000_000_000L / RUN_NANOS, all[all.length / 2] / 1e3,
        all[all.length * 99 / 100] / 1e3, all[(int) (all.length * 999L / 1000)] / 1e3);
  }

  public static void main(String[] arguments) throws Exception {
    try (HikariDataSource pool = makePool(arguments[0])) {
      double alone = bestNanos(pool, 2000);
      System.out.printf(
          "{\"name\": \"HikariCP\", \"note\": \"Java %s, pgjdbc\", \"ns\": %.1f, \"contended\": %s}%n",
          System.getProperty("java.version"), alone, contend(pool));
    }
  }
}
