import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.trogdor.coordinator.CoordinatorClient;

/** Trogdor's command-line client, one command a line of input (arguments separated by tabs), in one JVM. */
public class TrogdorClient {
    public static void main(String[] args) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            throw new IllegalStateException("exit " + code);
        });
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null;) {
            try {
                CoordinatorClient.main(line.split("\t"));
            } catch (Throwable thrown) {
                System.out.println(thrown);
            }
            System.out.println("== done");
        }
    }
}
