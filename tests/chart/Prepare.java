import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Does what Strimzi's operators would do with KafkaTopics and KafkaUsers: `Prepare CLIENT-PROPERTIES LINES`. A line is
 * `topic NAME PARTITIONS KEY=VALUE…` or `right USER TYPE NAME PATTERN OPERATION`, with tabs between.
 */
class Prepare {
    public static void main(String[] arguments) throws Exception {
        var properties = new java.util.Properties();
        properties.load(Files.newBufferedReader(Path.of(arguments[0])));
        List<NewTopic> topics = new ArrayList<>();
        List<AclBinding> rights = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[1]))) {
            String[] words = line.split("\t");
            switch (words[0]) {
                case "topic" -> topics.add(topic(words));
                case "right" -> rights.add(right(words));
                default -> throw new IllegalArgumentException(line);
            }
        }
        try (Admin admin = Admin.create(properties)) {
            admin.createTopics(topics).all().get();
            admin.createAcls(rights).all().get();
            // Kafka makes the topics of its own at their first use, which is nobody's right but the administrator's.
            admin.listConsumerGroupOffsets("administrator").all().get();
        }
        properties.put("transactional.id", "administrator");
        try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
        }
    }

    static NewTopic topic(String[] words) {
        Map<String, String> config = new HashMap<>();
        for (int at = 3; at < words.length; at++) {
            String[] pair = words[at].split("=", 2);
            config.put(pair[0], pair[1]);
        }
        return new NewTopic(words[1], Optional.of(Integer.parseInt(words[2])), Optional.empty()).configs(config);
    }

    static AclBinding right(String[] words) {
        var type = switch (words[2]) {
            case "topic" -> ResourceType.TOPIC;
            case "group" -> ResourceType.GROUP;
            case "transactionalId" -> ResourceType.TRANSACTIONAL_ID;
            default -> throw new IllegalArgumentException(words[2]);
        };
        var pattern = words[4].equals("prefix") ? PatternType.PREFIXED : PatternType.LITERAL;
        // Strimzi writes DescribeConfigs.
        var operation = AclOperation.valueOf(words[5].replaceAll("(?<=[a-z])(?=[A-Z])", "_").toUpperCase());
        return new AclBinding(
                new ResourcePattern(type, words[3], pattern),
                new AccessControlEntry("User:" + words[1], "*", operation, AclPermissionType.ALLOW));
    }
}
