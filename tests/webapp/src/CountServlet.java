import jakarta.servlet.http.*;
import java.io.IOException;

/** /count adds one to the session's counter and answers it: `COUNT ID`. One request per session at a time. */
public class CountServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        HttpSession session = in.getSession();
        int count;
        synchronized (session.getId().intern()) {
            Integer before = (Integer) session.getAttribute("count");
            count = before == null ? 1 : before + 1;
            session.setAttribute("count", count);
        }
        out.setContentType("text/plain");
        out.getOutputStream().print(count + " " + session.getId() + "\n");
    }
}
