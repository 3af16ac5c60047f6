// HikariCP in the contest: one line of JSON. Run by languages.py.
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

public final class HikariBench {
  private static final int CONNECTIONS = 3;
  private static final int THREADS = 8;
  private static final long HOLD_NANOS = 500_000;
  private static final long RUN_NANOS = 1_000_000_000L;

  interface Body {
    void run() throws Exception;
  }

  private static HikariDataSource makePool() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl("jdbc:sqlite::memory:");
    config.setMaximumPoolSize(CONNECTIONS);
    config.setMinimumIdle(CONNECTIONS);
    return new HikariDataSource(config);
  }

  private static double bestNanos(Body body, int times) throws Exception {
    double best = Double.MAX_VALUE;
    for (int repetition = 0; repetition < 10; ++repetition) { // the first ones warm the compiler up
      long start = System.nanoTime();
      for (int i = 0; i < times; ++i) body.run();
      best = Math.min(best, (double) (System.nanoTime() - start) / times);
    }
    return best;
  }

  private static void select(HikariDataSource pool) throws Exception {
    try (Connection connection = pool.getConnection();
        PreparedStatement statement = connection.prepareStatement("SELECT 1");
        ResultSet rows = statement.executeQuery()) {
      rows.next();
      rows.getInt(1);
    }
  }

  // The waits of one thread, in ns.
  private static List<Long> work(HikariDataSource pool, long end) {
    List<Long> waits = new ArrayList<>();
    while (System.nanoTime() < end) {
      long asked = System.nanoTime();
      try (Connection connection = pool.getConnection()) {
        waits.add(System.nanoTime() - asked);
        LockSupport.parkNanos(HOLD_NANOS);
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }
    return waits;
  }

  private static String contend(HikariDataSource pool) throws Exception {
    List<List<Long>> waits = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    long end = System.nanoTime() + RUN_NANOS;
    for (int i = 0; i < THREADS; ++i) {
      waits.add(null);
      int mine = i;
      threads.add(new Thread(() -> waits.set(mine, work(pool, end))));
    }
    for (Thread thread : threads) thread.start();
    for (Thread thread : threads) thread.join();
    long[] all = waits.stream().flatMap(List::stream).mapToLong(Long::longValue).sorted().toArray();
    int[] takes = waits.stream().mapToInt(List::size).sorted().toArray();
    return String.format(
        "{\"per_second\": %d, \"min_over_max\": %.4f, \"wait_us\": {\"p50\": %.1f, \"p99\": %.1f,"
            + " \"max\": %.1f}}",
        all.length * 1_000_000_000L / RUN_NANOS, (double) takes[0] / takes[takes.length - 1],
        all[all.length / 2] / 1e3, all[all.length * 99 / 100] / 1e3, all[all.length - 1] / 1e3);
  }

  public static void main(String[] arguments) throws Exception {
    try (HikariDataSource pool = makePool()) {
      double cycle = bestNanos(() -> pool.getConnection().close(), 500_000);
      double select = bestNanos(() -> select(pool), 50_000);
      System.out.printf(
          "{\"name\": \"HikariCP\", \"note\": \"Java %s, SQLite by JDBC\", \"ns\": %.1f,"
              + " \"select_ns\": %.1f, \"contended\": %s}%n",
          System.getProperty("java.version"), cycle, select, contend(pool));
    }
  }
}
