import jakarta.servlet.http.*;
import java.io.IOException;

/** *.action, as Struts applications have it: answers what was asked for. */
public class ActionServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        out.setContentType("text/html;charset=UTF-8");
        out.getOutputStream().print("<p>action " + in.getServletPath().replace("<", "&lt;") + "</p>\n");
    }
}
