import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Properties;

import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a topic as a shop does and is refused others: `Shop CLIENT-PROPERTIES GROUP TOPIC REFUSED…`. */
class Shop {
    public static void main(String[] arguments) throws Exception {
        var properties = new Properties();
        properties.load(Files.newBufferedReader(Path.of(arguments[0])));
        properties.put("group.id", arguments[1]);
        properties.put("auto.offset.reset", "earliest");
        if (!reads(properties, arguments[2])) {
            throw new IllegalStateException(arguments[2] + " gives nothing");
        }
        for (String topic : List.of(arguments).subList(3, arguments.length)) {
            try {
                reads(properties, topic);
                throw new IllegalStateException(topic + " may be read");
            } catch (AuthorizationException refused) {
                // As it should be.
            }
        }
    }

    static boolean reads(Properties properties, String topic) {
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
            consumer.subscribe(List.of(topic));
            for (var end = Instant.now().plusSeconds(60); Instant.now().isBefore(end); ) {
                if (!consumer.poll(Duration.ofSeconds(1)).isEmpty()) {
                    return true;
                }
            }
        }
        return false;
    }
}
