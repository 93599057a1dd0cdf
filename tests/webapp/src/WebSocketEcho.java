import jakarta.websocket.*;
import java.io.IOException;
import java.nio.ByteBuffer;

/** /ws sends every message back. */
public class WebSocketEcho extends Endpoint {
    @Override
    public void onOpen(Session session, EndpointConfig config) {
        session.addMessageHandler(String.class, text -> send(session, text));
        session.addMessageHandler(ByteBuffer.class, bytes -> send(session, bytes));
    }

    private static void send(Session session, Object message) {
        try {
            if (message instanceof String) session.getBasicRemote().sendText((String) message);
            else session.getBasicRemote().sendBinary((ByteBuffer) message);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
