import jakarta.servlet.http.*;
import java.io.IOException;

/** /whoami answers this Tomcat's jvmRoute. */
public class WhoamiServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        out.setContentType("text/plain");
        out.getOutputStream().print(System.getProperty("jvmRoute"));
    }
}
