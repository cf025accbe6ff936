import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The reference client, for tests. A record is one line, the same in and out:
 * timestamp, key, value, then name=value per header, separated by spaces; bytes in hexadecimal after an x, null as -.
 *
 *   produce BOOTSTRAP TOPIC=CODEC…         records from standard input, all to each topic's partition 0
 *   transactions BOOTSTRAP TOPIC           the records committed, then again aborted
 *   consume BOOTSTRAP ISOLATION TOPIC…     "# topic", then "offset record" lines, up to the log's end
 *   group BOOTSTRAP CONFIG PROTOCOL GROUP TOPIC COUNT
 *                                          as a member of the group (protocol classic or consumer) until it has read so many
 *                                          records, then commits and leaves; a line each. CONFIG: a file of more settings
 *   errors                                 "code name" of every error of the protocol
 */
public class JavaClient {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "produce" -> {
                List<String> lines = input();
                for (int i = 2; i < args.length; i++) {
                    String[] target = args[i].split("=");
                    produce(args[1], target[0], target[1], lines);
                }
            }
            case "transactions" -> transactions(args[1], args[2], input());
            case "consume" -> consume(args[1], args[2], List.of(args).subList(3, args.length));
            case "group" -> group(args[1], args[2], args[3], args[4], args[5], Integer.parseInt(args[6]));
            case "errors" -> {
                for (Errors error : Errors.values()) System.out.println(error.code() + " " + error.name());
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static List<String> input() throws Exception {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines().toList();
    }

    private static Properties producerConfig(String bootstrap, String codec) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", codec);
        config.put("acks", "all");
        config.put("batch.size", 40000);
        config.put("linger.ms", 200);
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        return config;
    }

    private static void produce(String bootstrap, String topic, String codec, List<String> lines) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(producerConfig(bootstrap, codec))) {
            send(producer, topic, lines);
        }
    }

    private static void transactions(String bootstrap, String topic, List<String> lines) throws Exception {
        Properties config = producerConfig(bootstrap, "none");
        config.put("transactional.id", topic);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, topic, lines);
            producer.commitTransaction();
            producer.beginTransaction();
            send(producer, topic, lines);
            producer.abortTransaction();
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, List<String> lines) throws Exception {
        List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
        for (String line : lines) sent.add(producer.send(parse(topic, line)));
        producer.flush();
        for (var each : sent) each.get();
    }

    private static ProducerRecord<byte[], byte[]> parse(String topic, String line) {
        String[] fields = line.split(" ");
        List<Header> headers = new ArrayList<>();
        for (int i = 3; i < fields.length; i++) {
            String[] header = fields[i].split("=");
            headers.add(new RecordHeader(header[0], bytes(header[1])));
        }
        return new ProducerRecord<>(topic, 0, Long.parseLong(fields[0]), bytes(fields[1]), bytes(fields[2]), headers);
    }

    private static byte[] bytes(String field) {
        return field.equals("-") ? null : HEX.parseHex(field.substring(1));
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
    }

    private static void consume(String bootstrap, String isolation, List<String> topics) {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", bootstrap,
            "isolation.level", isolation,
            "check.crcs", true,
            "auto.offset.reset", "earliest",
            "key.deserializer", ByteArrayDeserializer.class.getName(),
            "value.deserializer", ByteArrayDeserializer.class.getName());
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            for (String topic : topics) {
                TopicPartition partition = new TopicPartition(topic, 0);
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                out.println("# " + topic);
                while (consumer.position(partition) < end) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) print(out, record);
                }
            }
        }
        out.flush();
    }

    private static void group(String bootstrap, String more, String protocol, String group, String topic, int count) throws Exception {
        Properties config = new Properties();
        try (var file = new java.io.FileReader(more)) {
            config.load(file);
        }
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("group.protocol", protocol);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        config.put("max.poll.records", 1);
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            consumer.subscribe(List.of(topic));
            for (int read = 0; read < count; ) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    print(System.out, record);
                    read++;
                }
            }
            consumer.commitSync();
        }
        System.out.flush();
    }

    private static void print(PrintStream out, ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder();
        line.append(record.offset()).append(' ').append(record.timestamp());
        line.append(' ').append(text(record.key())).append(' ').append(text(record.value()));
        for (Header header : record.headers()) line.append(' ').append(header.key()).append('=').append(text(header.value()));
        out.println(line);
    }
}
