import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.FlagEvaluationDetails;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.Value;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** Asks by OpenFeature's Java client, as tests/clients/asking.py says: a question a line, an answer a line. */
public final class Asking {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Map<String, ImmutableList<String>> headers = new HashMap<>();
        for (int i = 1; i < arguments.length; i++) {
            String[] header = arguments[i].split("=", 2);
            headers.put(header[0], ImmutableList.of(header[1]));
        }
        OfrepProviderOptions options = OfrepProviderOptions.builder()
                .baseUrl(arguments[0])
                .headers(ImmutableMap.copyOf(headers))
                .build();
        OpenFeatureAPI api = OpenFeatureAPI.getInstance();
        api.setProviderAndWait(OfrepProvider.constructProvider(options));
        Client client = api.getClient();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(JSON.writeValueAsString(ask(client, JSON.readValue(line, Map.class))));
        }
        api.shutdown();
        System.exit(0);
    }

    private static Map<String, Object> ask(Client client, Map<?, ?> asked) {
        Map<String, Value> attributes = new HashMap<>();
        Map<?, ?> given = (Map<?, ?>) asked.get("context");
        given.forEach((name, value) -> attributes.put((String) name, Value.objectToValue(value)));
        attributes.remove("targetingKey");
        String user = (String) given.get("targetingKey");
        ImmutableContext context =
                user == null ? new ImmutableContext(attributes) : new ImmutableContext(user, attributes);
        String key = (String) asked.get("key");
        Object fallback = asked.get("default");
        switch ((String) asked.get("type")) {
            case "Boolean":
                return details(client.getBooleanDetails(key, (Boolean) fallback, context));
            case "String":
                return details(client.getStringDetails(key, (String) fallback, context));
            case "Integer":
                return details(client.getIntegerDetails(key, (Integer) fallback, context));
            case "Float":
                return details(client.getDoubleDetails(key, ((Number) fallback).doubleValue(), context));
            default:
                return details(client.getObjectDetails(key, Value.objectToValue(fallback), context));
        }
    }

    private static Map<String, Object> details(FlagEvaluationDetails<?> told) {
        Map<String, Object> answer = new LinkedHashMap<>();
        Object value = told.getValue();
        answer.put("value", value instanceof Value ? plain((Value) value) : value);
        answer.put("variant", told.getVariant());
        answer.put("reason", told.getReason());
        answer.put("errorCode", told.getErrorCode() == null ? "" : told.getErrorCode().name());
        answer.put("errorMessage", told.getErrorMessage());
        answer.put("metadata", told.getFlagMetadata() == null ? Map.of() : told.getFlagMetadata().asUnmodifiableMap());
        return answer;
    }

    private static Object plain(Value value) {
        if (!value.isStructure()) {
            return value.asObject();
        }
        return value.asStructure().asObjectMap();
    }
}
