import jakarta.servlet.ServletException;
import jakarta.servlet.http.*;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import javax.management.*;

/**
 * /threads?port=N answers `BUSY CONNECTIONS REQUESTS` of the connector at that port: its threads that are working on a
 * request, its open connections, and the requests it has answered so far.
 */
public class ThreadsServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException, ServletException {
        String port = in.getParameter("port");
        out.setContentType("text/plain");
        out.getOutputStream().print(
                read("ThreadPool", port, "currentThreadsBusy") + " "
                        // One is counted for the connection that the acceptor is waiting for.
                        + (Integer.parseInt(read("ThreadPool", port, "connectionCount").toString()) - 1) + " "
                        + read("GlobalRequestProcessor", port, "requestCount"));
    }

    private static Object read(String type, String port, String attribute) throws ServletException {
        try {
            MBeanServer server = ManagementFactory.getPlatformMBeanServer();
            for (ObjectName name : server.queryNames(new ObjectName("*:type=" + type + ",name=*"), null))
                if (name.getKeyProperty("name").endsWith("-" + port + "\""))
                    return server.getAttribute(name, attribute);
            throw new ServletException("no connector at port " + port + " has registered a " + type);
        } catch (JMException e) {
            throw new ServletException(e);
        }
    }
}
