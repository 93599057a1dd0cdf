import jakarta.servlet.*;
import jakarta.websocket.DeploymentException;
import jakarta.websocket.server.*;

/** Adds the websocket endpoint by hand, so that no class has to be scanned for annotations. */
public class Startup implements ServletContextListener {
    @Override
    public void contextInitialized(ServletContextEvent event) {
        ServerContainer container =
                (ServerContainer) event.getServletContext().getAttribute(ServerContainer.class.getName());
        try {
            container.addEndpoint(ServerEndpointConfig.Builder.create(WebSocketEcho.class, "/ws").build());
        } catch (DeploymentException e) {
            throw new IllegalStateException(e);
        }
    }
}
