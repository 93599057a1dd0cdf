import jakarta.servlet.http.*;
import java.io.*;
import java.nio.charset.StandardCharsets;

/**
 * /run?id=ID&ms=N writes `METHOD ID` into a file of this Tomcat's, which outlives it, works for N milliseconds and
 * answers the same: afterwards anybody can count how often a request was run, also by a Tomcat that was killed.
 */
public class RunServlet extends HttpServlet {
    private static final String FILE = System.getProperty("catalina.base") + "/logs/runs";

    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        byte[] line = (in.getMethod() + " " + in.getParameter("id") + "\n").getBytes(StandardCharsets.UTF_8);
        // One write to a file that is appended to: lines of several threads stay whole, and the kernel has them.
        try (FileOutputStream file = new FileOutputStream(FILE, true)) {
            file.write(line);
        }
        try {
            Thread.sleep(Texts.number(in.getParameter("ms"), 0));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        out.setContentType("text/plain");
        out.setContentLength(line.length);
        out.getOutputStream().write(line);
    }
}
